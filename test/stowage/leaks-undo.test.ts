import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { undoRelease } from "../../src/cli/ask/leaks-undo.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import { atTerminal, runCommandLine } from "../support/command-line.ts";
import { SQLITE, type TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { storedHoldings } from "../support/told-changes.ts";

const [HOST, OTHER] = [providerUuid(1), providerUuid(2)];
const REASON = "INC-4711: Überfälliges";

type Held = Record<string, Record<string, number>>;

describe.for([SQLITE, ...SERVER_ENGINES])("a release on $name", (engine) => {
  let place: TestDatabase;
  let stowage: LocalStowage;

  beforeEach(async () => {
    place = await engine.borrowDatabase();
    stowage = await startHere({ placementDatabase: { connection: place.connection } });
    for (const host of [HOST, OTHER]) {
      await makeProvider(stowage.client, host, { VCPU: 10, DISK_GB: 10 });
    }
    await claim(1, { [HOST]: { VCPU: 2, DISK_GB: 1 }, [OTHER]: { VCPU: 1 } });
    await claim(2, { [HOST]: { VCPU: 3 } }, { project: "other", user: "bob" });
    await claim(3, { [HOST]: { VCPU: 4 }, [OTHER]: { VCPU: 4 } });
    await claim(4, { [OTHER]: { VCPU: 5 } });
  });
  afterEach(async () => {
    await stowage.stop();
    await place.remove();
  });

  const send = async (method: string, path: string, body?: unknown) =>
    (await stowage.client.expectSuccess(method, path, { body })).text;
  const claim = (
    number: number,
    held: Held,
    options: Parameters<typeof claimBody>[1] = {},
  ): Promise<string> =>
    send("PUT", `/allocations/${consumerUuid(number)}`, claimBody(held, options));
  const held = () => storedHoldings(stowage.service.database);

  async function release(
    releases: readonly (readonly [number, generation: number, providers?: readonly string[]])[],
    reason = REASON,
  ): Promise<void> {
    const body = {
      releases: releases.map(([number, generation, providers]) => ({
        consumer: consumerUuid(number),
        generation,
        providers,
      })),
      dry_run: false,
      reason,
    };
    const text = await send("POST", "/stowage/v1/releases", body);
    expect(JSON.parse(text)).toMatchObject({ released: releases.length });
  }

  const restore = async (more: object = { dry_run: false }, reason = REASON) =>
    JSON.parse(await send("POST", "/stowage/v1/restorations", { reason, ...more })) as object;
  const outcome = (what: object) => ({
    restored: 0,
    would_restore: 0,
    changed_since: [],
    failed: [],
    is_more: false,
    ...what,
  });

  test("is undone by its reason, all of it and nothing else, once", async () => {
    const before = await held();
    await release([
      [1, 1],
      [2, 1],
      [3, 1, [OTHER]],
    ]);
    await release([[4, 1]], "another reason");
    const after = await held();
    expect(await restore({})).toEqual(outcome({ would_restore: 3 }));
    expect(await held()).toEqual(after);

    expect(await restore()).toEqual(outcome({ restored: 3 }));
    before.delete(consumerUuid(4));
    expect(await held()).toEqual(before);
    const told = JSON.parse(await send("GET", `/allocations/${consumerUuid(2)}`)) as object;
    expect(told).toMatchObject({
      project_id: "other",
      user_id: "bob",
      consumer_type: "INSTANCE",
      consumer_generation: 1,
    });
    const { history } = JSON.parse(
      await send("GET", `/stowage/v1/consumers/${consumerUuid(2)}/history`),
    ) as { history: readonly object[] };
    expect(history).toMatchObject([
      { cause: `POST /stowage/v1/restorations: ${REASON}` },
      { cause: `POST /stowage/v1/releases: ${REASON}` },
      { cause: "PUT /allocations" },
    ]);

    expect(await restore()).toMatchObject({
      restored: 0,
      changed_since: expect.arrayContaining([1, 2, 3].map(consumerUuid)),
    });
    expect(await held()).toEqual(before);
    expect(await restore(undefined, "inc-4711: überfälliges")).toEqual(outcome({}));
  });

  test("is undone where there is room, and not for who has changed since", async () => {
    await release([
      [1, 1],
      [2, 1],
      [3, 1, [OTHER]],
    ]);
    // 1 has gone elsewhere, 3 holds more, and for 2 there is no room.
    await claim(1, { [OTHER]: { VCPU: 1 } });
    await claim(3, { [HOST]: { VCPU: 5 } }, { generation: 2 });
    await claim(9, { [HOST]: { VCPU: 5 } });
    const before = await held();
    expect(await restore()).toEqual({
      ...outcome({
        failed: [{ consumer: consumerUuid(2), detail: expect.stringMatching("VCPU") }],
      }),
      changed_since: expect.arrayContaining([1, 3].map(consumerUuid)),
    });
    expect(await held()).toEqual(before);
  });

  test("is undone on the command line, when it is said that it may be", async () => {
    const before = await held();
    await release([
      [1, 1],
      [2, 1],
    ]);
    const url = ["--url", stowage.client.url];
    const run = (...words: string[]) =>
      runCommandLine(["leaks", "undo", ...words, ...url], { OS_TOKEN: "admin" });
    const answering = (text: string) =>
      atTerminal((terminal) =>
        undoRelease(
          { reason: REASON, url: stowage.client.url, token: "admin", hasYes: false, isJson: false },
          { ...terminal, input: Readable.from([text]) },
        ),
      );
    expect(await answering("n\n")).toEqual([
      3,
      "",
      expect.stringContaining("Have 2 consumers hold again what was released for"),
    ]);
    expect(await run(REASON, "--yes")).toEqual([
      0,
      "2 consumers hold again what was released.\n",
      "",
    ]);
    expect(await held()).toEqual(before);
    const [code, output] = await run("none", "--yes");
    expect([code, output]).toEqual([3, "No consumers hold again what was released.\n"]);
    const [, json] = await run(REASON, "--yes", "--json");
    expect((JSON.parse(json) as { changed_since: string[] }).changed_since).toHaveLength(2);
  });
});

test("Nothing is undone where no history is kept", async () => {
  const stowage = await startHere({ stowage: { history: false } });
  try {
    const reply = await stowage.client.post("/stowage/v1/restorations", { reason: "x" });
    expect([reply.status, reply.text]).toEqual([
      404,
      expect.stringContaining("[stowage] history is off"),
    ]);
    for (const body of [{}, { reason: "" }, { reason: "x", why: 1 }]) {
      expect((await stowage.client.post("/stowage/v1/restorations", body)).status).toBe(400);
    }
    const { capabilities } = (await stowage.client.get("/stowage/v1")).json<{
      capabilities: string[];
    }>();
    expect(capabilities).not.toContain("restorations");
  } finally {
    await stowage.stop();
  }
});
