import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { listChangesAfter } from "../../src/db/change-feed.ts";
import { hasRead, readPosition } from "../../src/read-model/written-position.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import { ADMIN } from "../http/support.ts";
import { SQLITE, type TestDatabase } from "../support/engines.ts";
import { makeProvider, providerUuid } from "../support/fleet.ts";
import { openOtherProgram } from "../support/other-program.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";

describe.for([SQLITE, ...SERVER_ENGINES])("the position in an answer, on $name", (engine) => {
  let place: TestDatabase;
  let stowage: LocalStowage;

  beforeEach(async () => {
    place = await engine.borrowDatabase();
    stowage = await startHere({ placementDatabase: { connection: place.connection } });
  });

  afterEach(async () => {
    await stowage.stop();
    await place.remove();
  });

  async function ask(): Promise<string> {
    const response = await fetch(`${stowage.client.url}/stowage/v1`, { headers: ADMIN });
    const { position } = (await response.json()) as { position: string };
    expect(response.headers.get("stowage-position")).toBe(position);
    return position;
  }

  async function ids(): Promise<number[]> {
    const context = { requestId: "test", userId: undefined, projectId: undefined };
    const entries = await stowage.service.database.reader(context, (tx) => listChangesAfter(tx, 0));
    return entries.map(({ id }) => id);
  }

  test("has what was committed before, and nothing of what comes after", async () => {
    await makeProvider(stowage.client, providerUuid(1), { VCPU: 10 });
    const earlier = await ids();
    const first = readPosition(await ask());
    await makeProvider(stowage.client, providerUuid(2), { VCPU: 10 });
    const later = (await ids()).filter((id) => !earlier.includes(id));
    const second = readPosition(await ask());
    expect(later.length).toBeGreaterThan(0);
    expect(earlier.filter((id) => !hasRead(first, id))).toEqual([]);
    expect(later.filter((id) => hasRead(first, id))).toEqual([]);
    expect(later.filter((id) => !hasRead(second, id))).toEqual([]);
    expect(second.newest?.id).toBe(Math.max(...later));
  });

  test("is the same as long as nothing is written", async () => {
    await makeProvider(stowage.client, providerUuid(1), { VCPU: 10 });
    const first = await ask();
    await stowage.client.get("/resource_providers");
    expect(await ask()).toBe(first);
  });
});

describe.for(SERVER_ENGINES)("the position in an answer, on $name", (engine) => {
  test("has not what an open transaction has written before others were committed", async () => {
    const place = await engine.borrowDatabase();
    const stowage = await startHere({ placementDatabase: { connection: place.connection } });
    const other = await openOtherProgram(place.connection);
    try {
      await makeProvider(stowage.client, providerUuid(1), { VCPU: 10 });
      await other.run("BEGIN");
      await other.run(
        "INSERT INTO stowage_changes (created_at, kind, subject, request_id) " +
          "VALUES ('2026-01-01 00:00:00', 'consumer', 'late', 'req-late')",
      );
      await makeProvider(stowage.client, providerUuid(2), { VCPU: 10 });
      const response = await fetch(`${stowage.client.url}/stowage/v1`, { headers: ADMIN });
      const position = readPosition(response.headers.get("stowage-position") ?? "");
      await other.run("COMMIT");
      const context = { requestId: "test", userId: undefined, projectId: undefined };
      const entries = await stowage.service.database.reader(context, (tx) =>
        listChangesAfter(tx, 0),
      );
      const unread = entries.filter(({ id }) => !hasRead(position, id));
      expect(unread.map(({ subject }) => subject)).toEqual(["late"]);
    } finally {
      await other.close();
      await stowage.stop();
      await place.remove();
    }
  });
});
