import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { deleteOldRefusals } from "../../src/operations/housekeeping.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import { runCommandLine } from "../support/command-line.ts";
import { SQLITE, type TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { makeFolder, startHere, writeConfig, type LocalStowage } from "../support/stowage.ts";
import { refusalsOf, rowsOf } from "./told-refusals.ts";

const HOST = providerUuid(1);
const CONTEXT = { requestId: "test", userId: undefined, projectId: undefined };
/** Longer than it takes until all is written down. */
const PATIENCE = { timeout: 10_000 };

describe.for(SERVER_ENGINES)("two replicas on one $name", (engine) => {
  let database: TestDatabase;
  let first: LocalStowage;
  let second: LocalStowage;

  beforeEach(async () => {
    database = await engine.createDatabase();
    const overrides = { placementDatabase: { connection: database.connection } };
    first = await startHere(overrides);
    second = await startHere(overrides);
    await makeProvider(first.client, HOST, { VCPU: 8 });
  });
  afterEach(async () => {
    await Promise.all([first.stop(), second.stop()]);
    await database.remove();
  });

  test("tell each what the other has refused, with whom the other has let in before", async () => {
    const claim = (replica: LocalStowage, number: number, vcpus: number) =>
      replica.client.put(
        `/allocations/${consumerUuid(number)}`,
        claimBody({ [HOST]: { VCPU: vcpus } }),
      );
    const winner = await claim(second, 1, 1);
    const late = await claim(first, 1, 1);
    const large = await claim(first, 2, 9);
    const empty = await first.client.get("/allocation_candidates?resources=VCPU:9");
    expect([late.status, large.status]).toEqual([409, 409]);
    const toldBySecond = async (reply: typeof late) => {
      const id = String(reply.headers["x-openstack-request-id"]);
      const { refusals } = await refusalsOf(second.client, `request_id=${id}`);
      expect(refusals).toHaveLength(1);
      return refusals[0];
    };
    expect(await vi.waitFor(() => toldBySecond(late), PATIENCE)).toMatchObject({
      reason: "consumer_generation",
      facts: { changed_by: { request_id: winner.headers["x-openstack-request-id"] } },
    });
    expect(await vi.waitFor(() => toldBySecond(large), PATIENCE)).toMatchObject({
      reason: "out_of_capacity",
      facts: { requested: 9, used: 1, capacity: 8 },
    });
    expect(await vi.waitFor(() => toldBySecond(empty), PATIENCE)).toMatchObject({
      kind: "no_candidates",
      explanation: { verdict: "never", nearest: [{ failures: [{ short: 2 }] }] },
    });
  });
});

describe.for([SQLITE, ...SERVER_ENGINES])("refusals in %s", (engine) => {
  let database: TestDatabase;
  let stowage: LocalStowage;

  beforeEach(async () => {
    database = await engine.createDatabase();
    stowage = await startHere({ placementDatabase: { connection: database.connection } });
  });
  afterEach(async () => {
    await stowage.stop();
    await database.remove();
  });

  const note = (number: number, at = new Date()) =>
    stowage.service.refusals.note({
      at,
      kind: "claim",
      reason: "other",
      requestId: `req-${number}`,
      globalRequestId: undefined,
      consumerUuid: consumerUuid(number),
      // Not every character set of a database has it.
      projectId: "\u{1f4a5}",
      write: () => JSON.stringify({ request_id: `req-${number}` }),
    });
  const written = (count: number) =>
    vi.waitFor(async () => expect(await rowsOf(stowage.service)).toHaveLength(count), PATIENCE);

  test("are no more than twenty of a storm, and the rest is counted", async () => {
    for (let number = 0; number < 10_000; number += 1) note(number);
    await written(20);
    expect(stowage.service.refusals.dropped).toBe(9980);
    const { refusals, dropped } = await refusalsOf(stowage.client, "limit=500");
    expect([refusals.length, dropped]).toEqual([500, 9980]);
    expect(refusals[0]).toEqual({ request_id: "req-9999" });
    expect(await stowage.metrics.total("stowage_refusals_dropped_total")).toBe(9980);
    note(10_000);
    await written(21);
  });

  test("are told by their database, also where no service is and nobody has noted any", async () => {
    const folder = await makeFolder();
    await writeConfig(folder.path, { placement_database: { connection: database.connection } });
    const ask = () => runCommandLine(["why", "req-1", "--json", "--config-dir", folder.path]);
    note(1);
    note(2);
    await stowage.stop();
    const [exitCode, output, problems] = await ask();
    expect([exitCode, problems]).toEqual([0, ""]);
    expect(JSON.parse(output)).toEqual({ refusals: [{ request_id: "req-1" }], dropped: 0 });

    stowage = await startHere({ placementDatabase: { connection: database.connection } });
    await stowage.service.database.writer(CONTEXT, (tx) =>
      tx.query.schema.dropTable("stowage_refusals").execute(),
    );
    expect(await ask()).toEqual([1, "", expect.stringContaining("no table stowage_refusals")]);
    await folder.remove();
  });

  test("are deleted when they have passed their retention, and not before", async () => {
    const dayMs = 86_400_000;
    const now = new Date();
    for (let days = 0; days < 10; days += 1) note(days, new Date(now.getTime() - days * dayMs - 1));
    await written(10);
    expect(await deleteOldRefusals(stowage.service, now)).toBe(3);
    expect((await rowsOf(stowage.service)).map((row) => row.request_id)).toEqual(
      Array.from({ length: 7 }, (_, days) => `req-${days}`),
    );
    expect(await deleteOldRefusals(stowage.service, now)).toBe(0);
  });

  test("that cannot be written are told by the process itself, and not tried again", async () => {
    const { database: opened } = stowage.service;
    await opened.writer(CONTEXT, (tx) =>
      tx.query.schema.alterTable("stowage_refusals").renameTo("elsewhere").execute(),
    );
    await makeProvider(stowage.client, HOST, { VCPU: 8 });
    for (const number of [1, 2]) {
      const path = `/allocations/${consumerUuid(number)}`;
      const reply = await stowage.client.put(path, claimBody({ [HOST]: { VCPU: 9 } }));
      expect(reply.status).toBe(409);
    }
    await vi.waitFor(() => expect(stowage.service.refusals.dropped).toBe(2), PATIENCE);
    expect(stowage.service.refusals.list({}, 10)).toHaveLength(2);
    note(1);
    await vi.waitFor(() => expect(stowage.service.refusals.dropped).toBe(3), PATIENCE);
    expect(stowage.log.filter((line) => line.includes("cannot be noted"))).toHaveLength(1);
    await opened.writer(CONTEXT, (tx) =>
      tx.query.schema.alterTable("elsewhere").renameTo("stowage_refusals").execute(),
    );
    note(2);
    await written(1);
  });

  test("are written by a service that stops, as far as they can be", async () => {
    note(1);
    await stowage.stop();
    stowage = await startHere({ placementDatabase: { connection: database.connection } });
    expect(await rowsOf(stowage.service)).toMatchObject([
      { request_id: "req-1", project_id: null, consumer_id: consumerUuid(1) },
    ]);
  });
});
