import { execFile, spawnSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { makeFolder } from "../support/stowage.ts";
import { writeFile } from "node:fs/promises";

/** Whether Debian's package is there; `scripts/install-for-tests.sh` installs it. */
export const isNovaInstalled =
  spawnSync("/usr/bin/python3", ["-c", "import nova.scheduler.client.report"]).status === 0;

/** What Nova's scheduler asks for, by its own report client, with what it would log. */
export interface AskedByNova {
  /** What stands in the lines of Nova's log and in the fault of the server. */
  readonly requestId: string;
  readonly candidates: number;
  /** Whether Nova believes that it holds what it has claimed; undefined where it had nothing to claim. */
  readonly hasClaimed?: boolean;
}

/**
 * Has Nova look for a host for a flavor, and claim the first that it is offered.
 *
 * @param beforeClaim a URL that is asked for once the candidates are there, for what others do meanwhile
 */
export async function askAsNova(
  url: string,
  flavor: { readonly vcpus: number; readonly memoryMb: number },
  consumer: string,
  beforeClaim = "",
): Promise<AskedByNova> {
  const folder = await makeFolder();
  try {
    const file = await writeConfiguration(folder.path, url);
    const { stdout } = await promisify(execFile)("/usr/bin/python3", [
      "-c",
      PROGRAM,
      file,
      String(flavor.vcpus),
      String(flavor.memoryMb),
      consumer,
      beforeClaim,
    ]);
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as AskedByNova;
  } finally {
    await folder.remove();
  }
}

const PROGRAM = `
import json, sys, urllib.request
from nova import conf, context, objects
from nova.scheduler.client import report
from nova.scheduler import utils

config, vcpus, memory_mb, consumer, before_claim = sys.argv[1:]
objects.register_all()
conf.CONF([], default_config_files=[config])
ctx = context.RequestContext(user_id='ann', project_id='lab')
flavor = objects.Flavor(
    vcpus=int(vcpus), memory_mb=int(memory_mb), root_gb=0, ephemeral_gb=0, swap=0, extra_specs={})
spec = objects.RequestSpec(
    flavor=flavor, image=objects.ImageMeta(properties=objects.ImageMetaProps()), is_bfv=False,
    requested_resources=[], request_level_params=objects.RequestLevelParams(), project_id='lab')
wanted = utils.ResourceRequest.from_request_spec(spec)
client = report.SchedulerReportClient()
requests, _, version = client.get_allocation_candidates(ctx, wanted)
answer = {'requestId': ctx.global_id, 'candidates': len(requests)}
if requests:
    if before_claim:
        urllib.request.urlopen(before_claim).read()
    answer['hasClaimed'] = client.claim_resources(
        ctx, consumer, requests[0], 'lab', 'ann', allocation_request_version=version)
print(json.dumps(answer))
`;

/** What Nova has left behind, by what became of the servers. */
export type PlantedLeaks = Readonly<
  Record<"living" | "deleted" | "unbuilt" | "evacuated" | "moved" | "moving", string>
> &
  /** What the migrations of the last two hold. */
  Readonly<Record<"aborted" | "running", string>>;

/**
 * Has Nova claim for servers on one host, move two of them to another by way of a migration, and evacuate one.
 *
 * @param hosts UUIDs of two providers
 */
export async function plantAsNova(
  url: string,
  hosts: readonly [string, string],
  consumers: PlantedLeaks,
): Promise<void> {
  const folder = await makeFolder();
  try {
    const file = await writeConfiguration(folder.path, url);
    const given = JSON.stringify({ hosts, ...consumers });
    await promisify(execFile)("/usr/bin/python3", ["-c", PLANTING, file, given]);
  } finally {
    await folder.remove();
  }
}

const PLANTING = `
import json, sys
from nova import conf, context, objects
from nova.scheduler.client import report
from nova.scheduler import utils

config, given = sys.argv[1:]
given = json.loads(given)
objects.register_all()
conf.CONF([], default_config_files=[config])
ctx = context.RequestContext(user_id='ann', project_id='lab')
flavor = objects.Flavor(
    vcpus=2, memory_mb=64, root_gb=0, ephemeral_gb=0, swap=0, extra_specs={})
spec = objects.RequestSpec(
    flavor=flavor, image=objects.ImageMeta(properties=objects.ImageMetaProps()), is_bfv=False,
    requested_resources=[], request_level_params=objects.RequestLevelParams(), project_id='lab')
client = report.SchedulerReportClient()

def claim(server, host):
    wanted = utils.ResourceRequest.from_request_spec(spec)
    requests, _, version = client.get_allocation_candidates(ctx, wanted)
    [request] = [each for each in requests if host in each['allocations']]
    assert client.claim_resources(
        ctx, given[server], request, 'lab', 'ann', allocation_request_version=version)

source, target = given['hosts']
for server in 'living', 'deleted', 'unbuilt', 'evacuated', 'moved', 'moving':
    claim(server, source)
for server, migration in ('moved', 'aborted'), ('moving', 'running'):
    assert client.move_allocations(ctx, given[server], given[migration])
    claim(server, target)
claim('evacuated', target)
`;

async function writeConfiguration(folder: string, url: string): Promise<string> {
  const file = join(folder, "nova.conf");
  await writeFile(file, `[placement]\nauth_type = admin_token\nendpoint = ${url}\ntoken = admin\n`);
  return file;
}
