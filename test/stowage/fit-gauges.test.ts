import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { readCandidateQuery } from "../../src/api/queries/candidate-query.ts";
import { MAX_MICROVERSION } from "../../src/api/microversions.ts";
import { parseQuery } from "../../src/api/queries/query-string.ts";
import { FitGauges } from "../../src/operations/fit-gauges.ts";
import { Client } from "../support/client.ts";
import { makeProvider, providerUuid } from "../support/fleet.ts";
import {
  makeFolder,
  startHere,
  startProcess,
  writeConfig,
  type LocalStowage,
} from "../support/stowage.ts";

let stowage: LocalStowage;
beforeAll(async () => {
  stowage = await startHere();
  await makeProvider(stowage.client, providerUuid(1), { VCPU: 8 });
});
afterAll(() => stowage.stop());

function queryOf(text: string) {
  return readCandidateQuery({ query: parseQuery(text), microversion: MAX_MICROVERSION });
}

test("what fits is counted again when providers have changed, and only then", async () => {
  const { service, metrics, client } = stowage;
  const flavors = new Map([["small", queryOf("resources=VCPU:2")]]);
  const gauges = new FitGauges(service, flavors, metrics, () => {});
  const { signal } = new AbortController();
  const told = (state: string) => metrics.total("stowage_fit_total", { flavor: "small", state });
  expect(await metrics.text()).not.toContain("stowage_fit_total{");
  expect(await gauges.count(signal)).toBe(true);
  expect([await told("now"), await told("if_empty")]).toEqual([4, 4]);
  expect(await metrics.text()).toContain('stowage_fit_hosts{flavor="small",state="now"} 1');
  expect(await gauges.count(signal)).toBe(false);
  await makeProvider(client, providerUuid(2), { VCPU: 5 });
  expect(await gauges.count(signal)).toBe(true);
  expect(await told("now")).toBe(6);
});

test("what fits of each flavor is told by the name that os-capacity has for it where that is asked for", async () => {
  const { service, metrics, client } = stowage;
  const flavors = new Map([["large", queryOf("resources=VCPU:8")]]);
  await new FitGauges(service, flavors, metrics, () => {}).count(new AbortController().signal);
  const name = "openstack_free_capacity_by_flavor_total";
  const asked = await client.get("/metrics?names=os-capacity");
  expect(asked.text).toContain(`# TYPE ${name} gauge\n`);
  expect(asked.text).toContain(`${name}{flavor_name="large",public=""} 1\n`);
  expect(asked.text).toContain('stowage_fit_total{flavor="large",state="now"} 1\n');
  expect((await client.get("/metrics")).text).not.toContain(name);
  expect((await client.get("/metrics?names=others")).status).toBe(400);
});

test("a flavor that names what is not there is complained about once, and has no number", async () => {
  const { service, metrics } = stowage;
  const problems: string[] = [];
  const flavors = new Map([
    ["odd", queryOf("resources=CUSTOM_ODD:1")],
    ["even", queryOf("resources=VCPU:4")],
  ]);
  const gauges = new FitGauges(service, flavors, metrics, (problem) => problems.push(problem));
  const { signal } = new AbortController();
  await gauges.count(signal);
  await makeProvider(stowage.client, providerUuid(3), { VCPU: 4 });
  await gauges.count(signal);
  expect(problems).toEqual(["odd names what does not exist: CUSTOM_ODD"]);
  expect(await metrics.text()).not.toContain('flavor="odd"');
  expect(await metrics.total("stowage_fit_hosts", { flavor: "even", state: "now" })).toBe(3);
});

test("a service counts the flavors of its file, and does not start with one that is wrong", async () => {
  const folder = await makeFolder();
  try {
    const file = join(folder.path, "flavors.yaml");
    await writeConfig(folder.path, {
      api: { auth_strategy: "noauth2" },
      placement_database: {
        connection: `sqlite:///${join(folder.path, "placement.sqlite")}`,
        sync_on_startup: true,
      },
      stowage: { fit_flavors_file: "flavors.yaml" },
    });
    await writeFile(file, "small: resources=VCPU:2\nbad: resources=VCPU\n");
    await expect(startProcess(folder.path)).rejects.toThrow(
      /flavors\.yaml, line 2: bad: Badly formed resources parameter/,
    );
    await writeFile(file, "small: resources=VCPU:2\n");
    const running = await startProcess(folder.path);
    try {
      const client = new Client(running.url);
      await expect
        .poll(async () => (await client.get("/metrics")).text, { timeout: 20_000, interval: 200 })
        .toContain('stowage_fit_total{flavor="small",state="now"} 0');
    } finally {
      await running.stop();
    }
  } finally {
    await folder.remove();
  }
});
