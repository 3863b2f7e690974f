import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "./db/server-engines.ts";
import { readTables } from "./faults/audit.ts";
import type { Client, Reply } from "./support/client.ts";
import type { TestDatabase } from "./support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "./support/fleet.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

/** Often enough that the order of statements comes up that does harm, in most runs. */
const ROUNDS = Number(process.env["STOWAGE_FAULT_ROUNDS"] ?? 10);

const CONTEXT = { requestId: "req-audit", userId: undefined, projectId: undefined };

describe.for(SERVER_ENGINES)("two replicas on one $name", (engine) => {
  let database: TestDatabase;
  let first: LocalStowage;
  let second: LocalStowage;
  /** No two of all the tests: it makes their names. */
  let rounds = 0;

  beforeAll(async () => {
    database = await engine.borrowDatabase();
    const overrides = { placementDatabase: { connection: database.connection } };
    first = await startHere(overrides);
    second = await startHere(overrides);
  });

  afterAll(async () => {
    await Promise.all([first.stop(), second.stop()]);
    await database.remove();
  });

  interface Race {
    /** Before each round. */
    readonly prepare?: (client: Client, round: number) => Promise<unknown>;
    readonly left: (client: Client, round: number) => Promise<Reply>;
    readonly right: (client: Client, round: number) => Promise<Reply>;
  }

  /** @returns the statuses of both, `left right`, each once */
  async function race({ prepare, left, right }: Race): Promise<Set<string>> {
    const outcomes = new Set<string>();
    for (let count = 1; count <= ROUNDS; count += 1) {
      const round = (rounds += 1);
      await prepare?.(first.client, round);
      const starts = [
        () => left(first.client, round),
        async () => {
          // So that each is ahead of the other in some rounds.
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
          return right(second.client, round);
        },
      ] as const;
      const replies = await Promise.all(starts.map((start) => start()));
      outcomes.add(replies.map(({ status }) => status).join(" "));
    }
    expect(await problems()).toEqual([]);
    expect(first.log.concat(second.log).filter((line) => line.includes(" ERROR "))).toEqual([]);
    return outcomes;
  }

  async function problems(): Promise<readonly string[]> {
    const tables = await first.service.database.reader(CONTEXT, (tx) =>
      readTables(async (text) => {
        const { rows } = await sql.raw<Record<string, unknown>>(text).execute(tx.query);
        return rows;
      }),
    );
    return tables.problems;
  }

  const claim = (client: Client, round: number) =>
    client.put(
      `/allocations/${consumerUuid(round)}`,
      claimBody({ [providerUuid(round)]: { VCPU: 1 } }),
    );

  function expectAmong(outcomes: ReadonlySet<string>, allowed: readonly string[]): void {
    expect([...outcomes].filter((outcome) => !allowed.includes(outcome))).toEqual([]);
  }

  test("delete a provider and claim from it", async () => {
    const outcomes = await race({
      prepare: (client, round) => makeProvider(client, providerUuid(round), { VCPU: 10 }),
      left: (client, round) => client.delete(`/resource_providers/${providerUuid(round)}`),
      right: claim,
    });
    expectAmong(outcomes, ["204 400", "204 409", "409 204"]);
  });

  test("delete an inventory and claim from it", async () => {
    const outcomes = await race({
      prepare: (client, round) => makeProvider(client, providerUuid(round), { VCPU: 10 }),
      left: (client, round) =>
        client.delete(`/resource_providers/${providerUuid(round)}/inventories/VCPU`),
      right: claim,
    });
    expectAmong(outcomes, ["204 409", "409 204"]);
  });

  test("replace the inventories and claim from them", async () => {
    const outcomes = await race({
      prepare: (client, round) => makeProvider(client, providerUuid(round), { VCPU: 10 }),
      left: (client, round) =>
        client.put(`/resource_providers/${providerUuid(round)}/inventories`, {
          resource_provider_generation: 1,
          inventories: { DISK_GB: { total: 1 } },
        }),
      right: claim,
    });
    expectAmong(outcomes, ["200 409", "409 204"]);
  });

  test("delete a provider and give it a child", async () => {
    const outcomes = await race({
      prepare: (client, round) => makeProvider(client, providerUuid(round), {}),
      left: (client, round) => client.delete(`/resource_providers/${providerUuid(round)}`),
      right: (client, round) =>
        client.post("/resource_providers", {
          uuid: providerUuid(100_000 + round),
          name: `child ${round}`,
          parent_provider_uuid: providerUuid(round),
        }),
    });
    expectAmong(outcomes, ["204 400", "409 200"]);
  });

  test("delete a provider and put it into aggregates", async () => {
    const outcomes = await race({
      prepare: (client, round) => makeProvider(client, providerUuid(round), {}),
      left: (client, round) => client.delete(`/resource_providers/${providerUuid(round)}`),
      right: (client, round) =>
        client.put(
          `/resource_providers/${providerUuid(round)}/aggregates`,
          [providerUuid(100_000 + round)],
          { version: "1.18" },
        ),
    });
    expectAmong(outcomes, ["204 404", "204 409", "204 200", "409 200"]);
  });

  test("delete a resource class and make an inventory of it", async () => {
    const outcomes = await race({
      prepare: async (client, round) => {
        await makeProvider(client, providerUuid(round), { VCPU: 10 });
        await client.expectSuccess("PUT", `/resource_classes/CUSTOM_${round}`);
      },
      left: (client, round) => client.delete(`/resource_classes/CUSTOM_${round}`),
      right: (client, round) =>
        client.post(`/resource_providers/${providerUuid(round)}/inventories`, {
          resource_class: `CUSTOM_${round}`,
          total: 1,
        }),
    });
    expectAmong(outcomes, ["204 400", "409 201"]);
  });

  test("delete a trait and give it to a provider", async () => {
    const outcomes = await race({
      prepare: async (client, round) => {
        await makeProvider(client, providerUuid(round), { VCPU: 10 });
        await client.expectSuccess("PUT", `/traits/CUSTOM_${round}`);
      },
      left: (client, round) => client.delete(`/traits/CUSTOM_${round}`),
      right: (client, round) =>
        client.put(`/resource_providers/${providerUuid(round)}/traits`, {
          resource_provider_generation: 1,
          traits: [`CUSTOM_${round}`],
        }),
    });
    expectAmong(outcomes, ["204 400", "409 200"]);
  });

  test("give traits to a provider", async () => {
    const put = (client: Client, round: number) =>
      client.put(`/resource_providers/${providerUuid(round)}/traits`, {
        resource_provider_generation: 1,
        traits: ["HW_CPU_X86_VMX"],
      });
    const outcomes = await race({
      prepare: (client, round) => makeProvider(client, providerUuid(round), { VCPU: 10 }),
      left: put,
      right: put,
    });
    expectAmong(outcomes, ["200 409", "409 200"]);
  });

  test("put a provider into the same new aggregate", async () => {
    const put = (client: Client, round: number) =>
      client.put(
        `/resource_providers/${providerUuid(round)}/aggregates`,
        [providerUuid(100_000 + round)],
        { version: "1.18" },
      );
    const outcomes = await race({
      prepare: (client, round) => makeProvider(client, providerUuid(round), { VCPU: 10 }),
      left: put,
      right: put,
    });
    expectAmong(outcomes, ["200 200"]);
  });

  test("make one provider", async () => {
    const make = (client: Client, round: number) =>
      client.post("/resource_providers", { uuid: providerUuid(round), name: `host ${round}` });
    expectAmong(await race({ left: make, right: make }), ["200 409", "409 200"]);
  });

  test("make one trait, and one resource class", async () => {
    const makeTrait = (client: Client, round: number) => client.put(`/traits/CUSTOM_${round}`, "");
    const makeClass = (client: Client, round: number) =>
      client.put(`/resource_classes/CUSTOM_${round}`, "");
    const each = ["201 204", "204 201", "204 204"];
    expectAmong(await race({ left: makeTrait, right: makeTrait }), each);
    expectAmong(await race({ left: makeClass, right: makeClass }), each);
  });

  test("make two resource classes", async () => {
    const makeClass = (side: string) => (client: Client, round: number) =>
      client.post("/resource_classes", { name: `CUSTOM_${side}_${round}` });
    expectAmong(await race({ left: makeClass("LEFT"), right: makeClass("RIGHT") }), ["201 201"]);
  });

  test("make one resource class by POST: one of them is told that it is there", async () => {
    const makeClass = (client: Client, round: number) =>
      client.post("/resource_classes", { name: `CUSTOM_${round}` });
    expectAmong(await race({ left: makeClass, right: makeClass }), ["201 409", "409 201"]);
  });

  test("claim for a project, user and consumer type that are new", async () => {
    const claimAs = (number: number) => (client: Client, round: number) =>
      client.put(`/allocations/${consumerUuid(100_000 * number + round)}`, {
        ...claimBody(
          { [providerUuid(200_000 + number)]: { VCPU: 1 } },
          { project: `project ${round}`, user: `user ${round}` },
        ),
        consumer_type: `TYPE_${round}`,
      });
    for (const number of [1, 2]) {
      await makeProvider(first.client, providerUuid(200_000 + number), { VCPU: 1000 });
    }
    expectAmong(await race({ left: claimAs(1), right: claimAs(2) }), ["204 204"]);
  });
});
