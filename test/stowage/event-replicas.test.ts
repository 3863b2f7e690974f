import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import type { TestDatabase } from "../support/engines.ts";
import { EventStream } from "../support/event-stream.ts";
import { makeProvider, providerUuid } from "../support/fleet.ts";
import { openOtherProgram } from "../support/other-program.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { end, expectAllTold, isEnd, makeHosts, positionNow } from "../support/watched-replicas.ts";

describe.for(SERVER_ENGINES)("events told by three replicas on $name", (engine) => {
  let place: TestDatabase;
  let replicas: LocalStowage[];

  beforeEach(async () => {
    place = await engine.createDatabase();
    replicas = [];
    for (let number = 0; number < 3; number += 1) {
      replicas.push(await startHere({ placementDatabase: { connection: place.connection } }));
    }
    await makeHosts(replicas[0]!);
  });

  afterEach(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await place.remove();
  });

  test("are each told once to whoever goes on elsewhere, and add up for each consumer", () =>
    expectAllTold(replicas));

  test("come late from a transaction that was open for long, and are lost by nobody", async () => {
    const other = await openOtherProgram(place.connection);
    try {
      const after = await positionNow(replicas[0]!);
      const streams = await Promise.all(
        replicas.map(({ client }) => EventStream.open(client.url, `after=${after}`)),
      );
      await other.run("BEGIN");
      await other.run(
        "INSERT INTO stowage_changes (created_at, kind, subject, request_id) " +
          "VALUES ('2026-01-01 00:00:00', 'consumer', 'late', 'req-late')",
      );
      await makeProvider(replicas[0]!.client, providerUuid(50), { VCPU: 1 });
      const early = await Promise.all(streams.map((stream) => stream.take(2)));
      expect(early.flat().map(({ data }) => data.subject)).toEqual(
        Array.from({ length: 6 }, () => providerUuid(50)),
      );
      // Who goes on in between, at the next replica, has the same to wait for.
      for (const stream of streams) stream.close();
      const resumed = await Promise.all(
        early.map((messages, number) => {
          const { client } = replicas[(number + 1) % 3]!;
          return EventStream.open(client.url, "", { "last-event-id": messages.at(-1)!.id });
        }),
      );
      await other.run("COMMIT");
      await end(replicas[0]!);
      for (const stream of resumed) {
        const rest = await stream.takeUntil(isEnd);
        expect(rest).toHaveLength(2);
        expect(new Set(rest.map(({ data }) => data.subject))).toEqual(
          new Set(["late", "CUSTOM_END"]),
        );
        stream.close();
      }
    } finally {
      await other.close();
    }
  });
});
