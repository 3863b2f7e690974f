import { expect, test } from "vitest";

import { SQLITE } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere } from "../support/stowage.ts";
import { runUnchecked } from "../support/unchecked-rows.ts";

/** SQLite takes 32,766 parameters in one statement, and MySQL and PostgreSQL 65,535. */
const DEVICES = 66_000;
const HOST = providerUuid(1);

test("consumers are found in a tree of more providers than a statement has parameters", async () => {
  const place = await SQLITE.borrowDatabase();
  const overrides = { placementDatabase: { connection: place.connection } };
  try {
    const first = await startHere(overrides);
    await makeProvider(first.client, HOST, { VCPU: 8 });
    for (const [number, tree] of [HOST, providerUuid(2)].entries()) {
      if (number > 0) await makeProvider(first.client, tree, { VCPU: 8 });
      const body = claimBody({ [tree]: { VCPU: 1 } });
      await first.client.expectSuccess("PUT", `/allocations/${consumerUuid(number)}`, { body });
    }
    await first.stop();
    await runUnchecked(place.connection, [
      `WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < ${999 + DEVICES}) ` +
        "INSERT INTO resource_providers (id, uuid, name, generation, root_provider_id, parent_provider_id) " +
        "SELECT n.i, 'd0000000-0000-4000-8000-' || printf('%012d', n.i), 'device ' || n.i, 0, rp.id, rp.id " +
        `FROM n JOIN resource_providers AS rp ON rp.uuid = '${HOST}'`,
    ]);
    const second = await startHere(overrides);
    const { client } = second;
    try {
      const device = "d0000000-0000-4000-8000-000000066000";
      for (const query of [`tree=${HOST}`, `tree=${device}`, `tree=${HOST}&provider=${HOST}`]) {
        const reply = await client.get(`/stowage/v1/consumers?${query}`);
        expect([reply.status, reply.json()]).toMatchObject([
          200,
          { consumers: [{ uuid: consumerUuid(0) }], next: null },
        ]);
      }
      const elsewhere = await client.get(
        `/stowage/v1/consumers?tree=${HOST}&provider=${providerUuid(2)}`,
      );
      expect(elsewhere.json()).toEqual({ consumers: [], next: null });
    } finally {
      await second.stop();
    }
  } finally {
    await place.remove();
  }
});
