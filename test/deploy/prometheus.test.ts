import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { SERIES } from "../../src/observability/series.ts";
import { ADMIN } from "../http/support.ts";
import { readText, ROOT } from "../source-files.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { makeFolder, startHere, type LocalStowage } from "../support/stowage.ts";

const RULES = "deploy/prometheus-rules.yml";
const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;
if (!hasPromtool) {
  console.log("What Prometheus makes of metrics is not tested: see scripts/install-for-tests.sh");
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: Readonly<Record<"x" | "y" | "w" | "h", number>>;
  readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
}

const board = JSON.parse(readText("deploy/grafana-dashboard.json")) as {
  readonly schemaVersion: number;
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
};
const targets = board.panels.flatMap((panel) => panel.targets ?? []);

function promtool(args: readonly string[], input?: string) {
  return spawnSync("promtool", args, { cwd: ROOT, encoding: "utf8", input });
}

/** Of the service itself; the exporter's are others. */
const KNOWN = new Set(
  Object.entries(SERIES).flatMap(([name, { type }]) =>
    type === "histogram" ? ["bucket", "count", "sum"].map((part) => `${name}_${part}`) : [name],
  ),
);

test("the alerts and the board name no series that there is not", () => {
  for (const text of [readText(RULES), ...targets.map(({ expr }) => expr)]) {
    const named = text.match(/\bstowage_\w+/g) ?? [];
    expect(named.filter((name) => !KNOWN.has(name))).toEqual([]);
  }
});

test("the board has what Grafana's schema of a dashboard asks for, and no panel lies on another", () => {
  expect(board).toMatchObject({ schemaVersion: 39, uid: "stowage" });
  const ids = board.panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const cells = board.panels.flatMap(({ gridPos: { x, y, w, h } }) => {
    expect(x + w).toBeLessThanOrEqual(24);
    return Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`);
  });
  expect(new Set(cells).size).toBe(cells.length);
  for (const panel of board.panels) {
    expect(["row", "stat", "table", "timeseries"]).toContain(panel.type);
    expect(panel.title).not.toBe("");
    const refs = (panel.targets ?? []).map(({ refId }) => refId);
    expect(refs.length === 0).toBe(panel.type === "row");
    expect(new Set(refs).size).toBe(refs.length);
  }
  const variables = new Set(board.templating.list.map(({ name }) => name));
  const used = readText("deploy/grafana-dashboard.json").match(/\$\{?[a-z]\w*/g) ?? [];
  expect(
    used.map((name) => name.replace(/\W/g, "")).filter((name) => !variables.has(name)),
  ).toEqual([]);
});

describe.skipIf(!hasPromtool)("Prometheus", () => {
  let stowage: LocalStowage;

  beforeAll(async () => {
    stowage = await startHere();
    await makeProvider(stowage.client, providerUuid(1), { VCPU: 8, DISK_GB: 100 });
    await stowage.client.expectSuccess("PUT", `/allocations/${consumerUuid(1)}`, {
      body: claimBody({ [providerUuid(1)]: { VCPU: 1 } }),
    });
  });
  afterAll(() => stowage.stop());

  const scrape = async (path: string) =>
    (
      await fetch(stowage.client.url + path, { headers: { ...ADMIN, accept: "text/plain" } })
    ).text();

  test("takes the alerts, which speak when they should", () => {
    expect(promtool(["check", "rules", RULES])).toMatchObject({ status: 0, stderr: "" });
    expect(promtool(["test", "rules", "test/deploy/prometheus-rules.yml"])).toMatchObject({
      status: 0,
    });
  });

  test("understands each expression of the board", async () => {
    const folder = await makeFolder();
    const file = join(folder.path, "rules.yml");
    const rules = targets.map(({ expr }, at) => ({
      record: `panel:${at}`,
      expr: expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*"),
    }));
    await writeFile(file, JSON.stringify({ groups: [{ name: "board", rules }] }));
    const { status, stdout } = promtool(["check", "rules", file]);
    await folder.remove();
    expect([status, stdout]).toEqual([0, expect.stringContaining(`${rules.length} rules found`)]);
  });

  test("finds nothing to complain of in the metrics of the service", async () => {
    const { status, stderr, stdout } = promtool(["check", "metrics"], await scrape("/metrics"));
    expect([status, stdout, stderr]).toEqual([0, "", ""]);
  });

  test("reads the exporter's series, whose names are the exporter's", async () => {
    const { stdout, stderr } = promtool(
      ["check", "metrics"],
      await scrape("/metrics/providers?allocations=1"),
    );
    expect(stdout).toBe("");
    const complaints = stderr.trim().split("\n");
    expect(complaints).toEqual([
      'openstack_placement_resource_total non-counter metrics should not have "_total" suffix',
    ]);
  });
});
