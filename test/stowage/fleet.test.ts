import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { listFleet, readProvider, type FleetProvider } from "../../src/operations/fleet.ts";
import { ADMIN } from "../http/support.ts";
import { claimBody, consumerUuid, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";

interface Provider {
  readonly uuid: string;
  readonly name: string;
  readonly generation: number;
  readonly root_provider_uuid: string;
  readonly parent_provider_uuid: string | null;
}

const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };
const CLASSES = ["VCPU", "MEMORY_MB", "DISK_GB", "CUSTOM_LICENSE"];
const TRAITS = ["HW_CPU_X86_AVX2", "COMPUTE_NODE", "STORAGE_DISK_SSD"];
/** Names come from tenants. */
const ODD_NAMES = ['with "quotes"', "with \\ a backslash", "naïve ☃", "<script>"];
const COUNT = 24;
const SEED = Number(process.env["STOWAGE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

let stowage: LocalStowage;
let random: () => number;

/** A fleet of trees at random; the seed is printed where something fails. */
beforeAll(async () => {
  stowage = await startHere();
  random = generatorOf(SEED);
  const { client } = stowage;
  await client.expectSuccess("PUT", "/resource_classes/CUSTOM_LICENSE");
  for (let number = 1; number <= COUNT; number += 1) await makeRandomProvider(number);
  for (let number = 1; number <= COUNT; number += 1) await claimAtRandom(number);
});
afterAll(() => stowage.stop());

async function makeRandomProvider(number: number): Promise<void> {
  const { client } = stowage;
  const uuid = providerUuid(number);
  const parent = number > 3 && random() < 0.6 ? providerUuid(1 + pick(number - 1)) : null;
  const name = ODD_NAMES[number - 1] ?? `host-${number}`;
  const body = { uuid, name, parent_provider_uuid: parent };
  await client.expectSuccess("POST", "/resource_providers", { body });
  const inventories = Object.fromEntries(
    CLASSES.filter(() => random() < 0.6).map((resourceClass) => [
      resourceClass,
      {
        total: 50 + pick(100),
        reserved: pick(10),
        max_unit: 40,
        step_size: 1 + pick(2),
        allocation_ratio: [1, 1.2, 4, 16.5][pick(4)],
      },
    ]),
  );
  const put = async (what: string, value: object) => {
    const url = `/resource_providers/${uuid}`;
    const { generation } = (await client.get(url)).json<Provider>();
    await client.expectSuccess("PUT", `${url}/${what}`, {
      body: { resource_provider_generation: generation, ...value },
    });
  };
  await put("inventories", { inventories });
  await put("traits", { traits: TRAITS.filter(() => random() < 0.5) });
  const aggregates = [1, 2].filter(() => random() < 0.5).map((it) => consumerUuid(900 + it));
  await put("aggregates", { aggregates });
}

async function claimAtRandom(number: number): Promise<void> {
  const { inventories } = (
    await stowage.client.get(`/resource_providers/${providerUuid(1 + pick(COUNT))}/inventories`)
  ).json<{ inventories: Record<string, unknown> }>();
  const resources = Object.fromEntries(
    Object.keys(inventories).map((resourceClass) => [resourceClass, 2]),
  );
  if (Object.keys(resources).length === 0) return;
  const provider = providerUuid(1 + pick(COUNT));
  // Some are refused, as the provider has other classes: they change nothing.
  await stowage.client.put(
    `/allocations/${consumerUuid(number)}`,
    claimBody({ [provider]: resources }),
  );
}

function pick(count: number): number {
  return Math.floor(random() * count);
}

/** Mulberry32. */
function generatorOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function ask(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(stowage.client.url + path, { headers: { ...ADMIN, ...headers } });
}

interface OrdinaryProvider extends Provider {
  readonly inventories: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly usages: Readonly<Record<string, number>>;
  readonly traits: readonly string[];
  readonly aggregates: readonly string[];
  readonly allocations: Readonly<Record<string, { resources: Record<string, number> }>>;
}

/** By the requests that there were before: one, and for each provider some more. */
async function readOrdinarily(): Promise<OrdinaryProvider[]> {
  const { client } = stowage;
  const { resource_providers: providers } = (await client.get("/resource_providers")).json<{
    resource_providers: Provider[];
  }>();
  return Promise.all(
    providers.map(async (provider) => {
      const read = async <Body>(what: string) =>
        (await client.get(`/resource_providers/${provider.uuid}/${what}`)).json<Body>();
      return {
        ...provider,
        ...(await read<Pick<OrdinaryProvider, "inventories">>("inventories")),
        ...(await read<Pick<OrdinaryProvider, "usages">>("usages")),
        ...(await read<Pick<OrdinaryProvider, "traits">>("traits")),
        ...(await read<Pick<OrdinaryProvider, "aggregates">>("aggregates")),
        ...(await read<Pick<OrdinaryProvider, "allocations">>("allocations")),
      };
    }),
  );
}

describe(`a fleet at random (STOWAGE_SEED=${SEED})`, () => {
  test("is told with openstack-exporter's series, each and no others", async () => {
    const response = await ask("/metrics/providers?allocations=1");
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const text = await response.text();
    const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const expected = (await readOrdinarily()).flatMap(seriesOf);
    expect(samples.toSorted()).toEqual([...expected, "openstack_placement_up 1"].toSorted());
    expect(text).toContain(
      "# HELP openstack_placement_resource_usage resource_usage\n" +
        "# TYPE openstack_placement_resource_usage gauge\n",
    );
    expectEachNameTogether(text);
    const { stderr, error } = spawnSync("promtool", ["check", "metrics"], { input: text });
    // Where promtool is installed: the exporter has chosen this name.
    const chosen =
      'openstack_placement_resource_total non-counter metrics should not have "_total" suffix\n';
    if (!error) expect(stderr.toString()).toBe(chosen);
  });

  test("is told without consumers unless they are asked for", async () => {
    const text = await (await ask("/metrics/providers")).text();
    expect(text).not.toContain("allocations");
    expect(text).toContain("openstack_placement_resource_total{");
  });

  test("is, as a snapshot, what four requests for each provider tell", async () => {
    const response = await ask("/stowage/v1/providers");
    const { position, providers } = (await response.json()) as {
      position: string;
      providers: Provider[];
    };
    const expected = (await readOrdinarily()).map(asInSnapshot);
    expect(position).toBe(response.headers.get("stowage-position"));
    expect(byUuid(providers)).toEqual(byUuid(expected));
  });

  test("is the same in lines, between how many there are and the end", async () => {
    const lines = await ask("/stowage/v1/providers", { accept: "application/x-ndjson" });
    expect(lines.headers.get("content-type")).toBe("application/x-ndjson");
    const [first, ...rest] = (await lines.text()).trimEnd().split("\n");
    const position = lines.headers.get("stowage-position");
    expect(JSON.parse(first!)).toEqual({ position, providers: COUNT });
    expect(rest.pop()).toBe('{"end":true}');
    const { providers } = (await (await ask("/stowage/v1/providers")).json()) as {
      providers: unknown[];
    };
    expect(rest.map((line): unknown => JSON.parse(line))).toEqual(providers);
  });

  test("can be told of in part: some fields, one tree, one name", async () => {
    const read = async (query: string) => {
      const response = await ask(`/stowage/v1/providers?${query}`);
      return ((await response.json()) as { providers: OrdinaryProvider[] }).providers;
    };
    const ordinary = await readOrdinarily();
    const root = ordinary.find((it) => it.parent_provider_uuid !== null)!.root_provider_uuid;
    const ofTree = ordinary.filter((it) => it.root_provider_uuid === root);
    const uuids = (providers: readonly Provider[]) => providers.map(({ uuid }) => uuid).toSorted();
    for (const { uuid } of ofTree) expect(uuids(await read(`tree=${uuid}`))).toEqual(uuids(ofTree));
    expect(await read(`tree=${consumerUuid(1)}`)).toEqual([]);
    expect(uuids(await read(`name=${encodeURIComponent(ODD_NAMES[0]!)}`))).toEqual([
      providerUuid(1),
    ]);
    const [traitsOnly] = await read("fields=traits");
    expect(Object.keys(traitsOnly!).toSorted()).toEqual([
      "generation",
      "name",
      "parent_provider_uuid",
      "root_provider_uuid",
      "traits",
      "uuid",
    ]);
    const used = (await read("fields=usages")).flatMap(({ inventories }) =>
      Object.values(inventories).map((inventory) => Object.keys(inventory)),
    );
    expect(new Set(used.flat())).toEqual(new Set(["used"]));
    expect((await ask("/stowage/v1/providers?fields=traits,misspelt")).status).toBe(400);
    expect((await ask("/stowage/v1/providers?tree=misspelt")).status).toBe(400);
  });
});

describe("an answer about the fleet", () => {
  test.each(["/stowage/v1/providers", "/metrics/providers"])(
    "at %s is not sent again while nothing has changed",
    async (path) => {
      const etag = (await ask(path)).headers.get("etag")!;
      const again = await ask(path, { "if-none-match": etag });
      expect([again.status, await again.text()]).toEqual([304, ""]);
      expect((await ask(path, { "if-none-match": `"other", ${etag}` })).status).toBe(304);
      expect((await ask(path, { "if-none-match": '"other"' })).status).toBe(200);
      const { client } = stowage;
      const body = { name: `renamed for ${path}` };
      await client.expectSuccess("PUT", `/resource_providers/${providerUuid(9)}`, { body });
      const changed = await ask(path, { "if-none-match": etag });
      expect(changed.status).toBe(200);
      expect(changed.headers.get("etag")).not.toBe(etag);
    },
  );

  test("is of one moment, whatever is claimed and made while it is written", async () => {
    const { service, client } = stowage;
    const before = [...(await readAll())];
    const fleet = await listFleet(service, CONTEXT, {});
    fleet.hold();
    const seen: FleetProvider[] = [];
    let number = 500;
    for (const row of fleet.find(Infinity)!) {
      seen.push(readProvider(fleet.providers, row));
      // What is told next is claimed now, and there is one provider more.
      const { inventories } = before[(seen.length + 1) % before.length]!;
      const uuid = before[(seen.length + 1) % before.length]!.uuid;
      const [inventory] = inventories;
      number += 1;
      if (inventory) {
        const claim = claimBody({ [uuid]: { [inventory.resourceClass]: inventory.stepSize } });
        await client.put(`/allocations/${consumerUuid(number)}`, claim);
      }
      const body = { uuid: providerUuid(number), name: `new-${number}` };
      await client.expectSuccess("POST", "/resource_providers", { body });
    }
    fleet.checkHold();
    fleet.close();
    expect(seen).toEqual(before);
    expect(await readAll()).not.toEqual(before);
  });

  test("keeps nothing when its client goes away before it has read it", async () => {
    const { hostname, port } = new URL(stowage.client.url);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    socket.write(
      `GET /stowage/v1/providers HTTP/1.1\r\nHost: ${hostname}\r\nX-Auth-Token: admin\r\n\r\n`,
    );
    await once(socket, "data");
    socket.destroy();
    const views = () => stowage.metrics.total("stowage_index_views_open");
    await vi.waitFor(async () => expect(await views()).toBe(0), { timeout: 10_000 });
  });

  async function readAll(): Promise<FleetProvider[]> {
    const fleet = await listFleet(stowage.service, CONTEXT, {});
    return Array.from(fleet.find(Infinity)!, (row) => readProvider(fleet.providers, row));
  }
});

function seriesOf(provider: OrdinaryProvider): string[] {
  const hostname = provider.name.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  const ofClasses = Object.entries(provider.inventories).flatMap(([resourceClass, inventory]) =>
    Object.entries({
      total: inventory["total"],
      reserved: inventory["reserved"],
      allocation_ratio: inventory["allocation_ratio"],
      usage: provider.usages[resourceClass],
      generation: provider.generation,
    }).map(
      ([name, value]) =>
        `openstack_placement_resource_${name}{hostname="${hostname}",resourcetype="${resourceClass}"} ${value}`,
    ),
  );
  const ofConsumers = Object.entries(provider.allocations).flatMap(([uuid, { resources }]) =>
    Object.entries(resources).map(
      ([resourceClass, used]) =>
        `openstack_placement_resource_provider_allocations{hostname="${hostname}",uuid="${uuid}",resourcetype="${resourceClass}"} ${used}`,
    ),
  );
  return [...ofClasses, ...ofConsumers];
}

function asInSnapshot(provider: OrdinaryProvider) {
  return {
    uuid: provider.uuid,
    name: provider.name,
    generation: provider.generation,
    root_provider_uuid: provider.root_provider_uuid,
    parent_provider_uuid: provider.parent_provider_uuid,
    traits: provider.traits.toSorted(),
    aggregates: provider.aggregates.toSorted(),
    inventories: Object.fromEntries(
      Object.entries(provider.inventories).map(([resourceClass, inventory]) => {
        const { total = 0, reserved = 0, allocation_ratio: ratio = 0 } = inventory;
        const capacity = Math.trunc((total - reserved) * ratio);
        return [resourceClass, { ...inventory, capacity, used: provider.usages[resourceClass] }];
      }),
    ),
  };
}

function byUuid(providers: readonly Provider[]) {
  return Object.fromEntries(
    providers.map((provider) => [
      provider.uuid,
      "traits" in provider
        ? { ...provider, traits: (provider.traits as string[]).toSorted() }
        : provider,
    ]),
  );
}

/** The format demands that all lines of a name stand together, after its help and its type. */
function expectEachNameTogether(text: string): void {
  const names = text.split("\n").flatMap((line) => /^(\w+)[ {]/.exec(line)?.[1] ?? []);
  const runs = names.filter((name, at) => name !== names[at - 1]);
  expect(runs).toEqual([...new Set(runs)]);
  for (const name of runs) {
    expect(text).toMatch(new RegExp(`# HELP ${name} .*\n# TYPE ${name} gauge\n${name}[ {]`));
  }
}

test("the filters choose whom GET /resource_providers chooses", async () => {
  const [first, second] = [consumerUuid(901), consumerUuid(902)];
  const filters = [
    `member_of=${first}`,
    `member_of=in:${first},${second}`,
    `member_of=!${first}`,
    `member_of=${first}&member_of=${second}`,
    "required=HW_CPU_X86_AVX2,!COMPUTE_NODE",
    "required=in:HW_CPU_X86_AVX2,COMPUTE_NODE&required=STORAGE_DISK_SSD",
    "resources=VCPU:4,MEMORY_MB:10",
    `resources=VCPU:1&required=COMPUTE_NODE&member_of=${second}`,
    "name=host-7",
    "name=nobody",
  ];
  const uuidsOf = (providers: readonly Provider[]) => providers.map(({ uuid }) => uuid).toSorted();
  let found = 0;
  for (const filter of filters) {
    const listed = (await stowage.client.get(`/resource_providers?${filter}`)).json<{
      resource_providers: Provider[];
    }>().resource_providers;
    const answer = await ask(`/stowage/v1/providers?fields=traits&${filter}`);
    const { providers } = (await answer.json()) as { providers: Provider[] };
    expect([filter, uuidsOf(providers)]).toEqual([filter, uuidsOf(listed)]);
    found += providers.length;
  }
  expect(found, `seed ${SEED}`).toBeGreaterThan(0);
});

test.each([
  ["resources=VCPU:0", "requires amount >= 1"],
  ["resources=CUSTOM_NONE:1", "resources: No such resource class CUSTOM_NONE"],
  ["required=CUSTOM_NONE", "required: No such trait(s): CUSTOM_NONE"],
  ["member_of=in:", "member_of"],
  ["memberof=x", "memberof"],
])("%s is refused with what is wrong with it", async (query, problem) => {
  const answer = await ask(`/stowage/v1/providers?${query}`);
  expect(answer.status).toBe(400);
  const { errors } = (await answer.json()) as { errors: { detail: string }[] };
  expect(errors[0]?.detail).toContain(problem);
});
