import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { findLeaks } from "../../src/cli/ask/leaks.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import { ADMIN } from "../http/support.ts";
import { atTerminal, runCommandLine, type CommandOutcome } from "../support/command-line.ts";
import { ENGINES, type TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { makeFolder, startHere, writeConfig, type LocalStowage } from "../support/stowage.ts";
import { runUnchecked } from "../support/unchecked-rows.ts";

const [HOST, OTHER] = [providerUuid(1), providerUuid(2)];
const LONG_AGO = "2020-01-01 00:00:00";

interface Report {
  readonly plan: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly dead: readonly { readonly uuid: string; readonly generation: number }[];
  readonly doubled: readonly { readonly uuid: string; readonly trees: readonly string[] }[];
  readonly missing: readonly string[];
  readonly freed: Readonly<Record<string, number>>;
}

describe.each([...ENGINES, ...SERVER_ENGINES])("leaks on $name", (engine) => {
  let database: TestDatabase;
  let stowage: LocalStowage;
  let folder: Awaited<ReturnType<typeof makeFolder>>;

  beforeEach(async () => {
    database = await engine.createDatabase();
    folder = await makeFolder();
    await writeConfig(folder.path, { placement_database: { connection: database.connection } });
    stowage = await startHere({ placementDatabase: { connection: database.connection } });
    for (const host of [HOST, OTHER]) await makeProvider(stowage.client, host, { VCPU: 64 });
    // 1 and 2 live, 2 on both hosts; 3 and 4 are dead, 4 on both; 5 has no type and is dead.
    await claim(1, { [HOST]: { VCPU: 2 } });
    await claim(2, { [HOST]: { VCPU: 1 }, [OTHER]: { VCPU: 1 } });
    await claim(3, { [HOST]: { VCPU: 4 } });
    await claim(4, { [HOST]: { VCPU: 5 }, [OTHER]: { VCPU: 6 } });
    await claim(5, { [OTHER]: { VCPU: 7 } });
    await runUnchecked(database.connection, [
      `UPDATE consumers SET created_at = '${LONG_AGO}', updated_at = '${LONG_AGO}'`,
      `UPDATE consumers SET consumer_type_id = NULL WHERE uuid = '${consumerUuid(5)}'`,
    ]);
    // Made while the living were counted.
    await claim(6, { [HOST]: { VCPU: 1 } });
  });

  afterEach(async () => {
    await stowage.stop();
    await folder.remove();
    await database.remove();
  });

  const claim = (
    number: number,
    held: Record<string, Record<string, number>>,
    generation: number | null = null,
  ) =>
    stowage.client.expectSuccess("PUT", `/allocations/${consumerUuid(number)}`, {
      body: claimBody(held, { generation }),
    });
  const uuids = (...numbers: number[]) => numbers.map(consumerUuid);

  function post(path: string, body: unknown, type = "application/json"): Promise<Response> {
    return fetch(`${stowage.client.url}/stowage/v1/${path}`, {
      method: "POST",
      headers: { ...ADMIN, "content-type": type },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  }

  async function report(alive: readonly string[], scope: object = {}): Promise<Report> {
    const head = { alive_as_of: new Date().toISOString(), scope };
    const answer = await post("orphans", { ...head, alive });
    expect(answer.status).toBe(200);
    const document = (await answer.json()) as Report;
    const lines = [JSON.stringify(head), ...alive.map((uuid) => `"${uuid}"`), ""].join("\r\n");
    const again = await post("orphans", lines, "application/x-ndjson");
    expect(await again.json()).toEqual(document);
    return document;
  }

  async function heldBy(number: number): Promise<object> {
    const reply = await stowage.client.get(`/allocations/${consumerUuid(number)}`);
    return reply.json<{ allocations: object }>().allocations;
  }

  const release = async (releases: readonly object[], more: object = { dry_run: false }) => {
    const answer = await post("releases", { releases, ...more });
    expect(answer.status).toBe(200);
    return (await answer.json()) as object;
  };
  const outcome = (what: object) => ({
    released: 0,
    would_release: 0,
    changed_since: [],
    unknown: [],
    failed: [],
    ...what,
  });

  test("are those who are not among the living, and old enough", async () => {
    const found = await report(uuids(1, 2, 77));
    expect(found.counts).toEqual({
      consumers: 6,
      in_scope: 6,
      alive: 2,
      young: 1,
      dead: 3,
      doubled: 1,
      missing: 1,
    });
    expect(found.dead.map(({ uuid }) => uuid)).toEqual(uuids(3, 4, 5));
    expect(found.doubled).toMatchObject([{ uuid: consumerUuid(2), trees: [HOST, OTHER] }]);
    expect(found.missing).toEqual(uuids(77));
    expect(found.freed).toEqual({ VCPU: 22 });
    expect((await report(uuids(1, 2, 77))).plan).toBe(found.plan);
    expect((await report(uuids(1, 2, 3))).plan).not.toBe(found.plan);
  });

  test("are looked for where and of what one is told to", async () => {
    const dead = async (scope: object) =>
      (await report(uuids(1, 2), scope)).dead.map(({ uuid }) => uuid);
    expect(await dead({ tree: HOST })).toEqual(uuids(3, 4));
    expect(await dead({ types: [null] })).toEqual(uuids(5));
    expect(await dead({ types: ["INSTANCE"] })).toEqual(uuids(3, 4));
    expect(await dead({ resource_classes: ["DISK_GB"] })).toEqual([]);
    expect(await dead({ min_age_seconds: 0, types: ["MIGRATION"] })).toEqual([]);
  });

  test("are released as they were found, each by itself, and who has moved is left alone", async () => {
    const { dead } = await report(uuids(1, 2));
    const releases = dead.map(({ uuid, generation }) => ({ consumer: uuid, generation }));
    expect(await release(releases, {})).toEqual(outcome({ would_release: 3 }));
    expect(await heldBy(3)).not.toEqual({});

    await claim(4, { [OTHER]: { VCPU: 1 } }, 1);
    expect(await release([...releases, { consumer: consumerUuid(88), generation: 1 }])).toEqual(
      outcome({ released: 2, changed_since: uuids(4), unknown: uuids(88) }),
    );
    expect([await heldBy(3), await heldBy(5)]).toEqual([{}, {}]);
    expect(await heldBy(4)).toMatchObject({ [OTHER]: { resources: { VCPU: 1 } } });
    // What is done is done.
    expect(await release(releases)).toEqual(
      outcome({ changed_since: uuids(4), unknown: uuids(3, 5) }),
    );
  });

  test("on one of several hosts are released there, and kept elsewhere", async () => {
    const one = { consumer: consumerUuid(2), generation: 1 };
    expect(await release([{ ...one, providers: [providerUuid(9)] }])).toEqual(
      outcome({ unknown: uuids(2) }),
    );
    expect(await release([{ ...one, providers: [HOST.toUpperCase()] }])).toEqual(
      outcome({ released: 1 }),
    );
    expect(await heldBy(2)).toMatchObject({ [OTHER]: { resources: { VCPU: 1 } } });
    expect(Object.keys(await heldBy(2))).toEqual([OTHER]);
  });

  test.each([
    ["orphans", { alive: [] }, "alive_as_of"],
    ["orphans", { alive: ["x"], alive_as_of: "2026-01-01T00:00:00Z" }, "x"],
    ["orphans", { alive: [], alive_as_of: "2026-01-01T00:00:00Z" }, "longer ago than a day"],
    ["orphans", { alive: [], alive_as_of: "2999-01-01T00:00:00Z" }, "in the future"],
    ["orphans", { alive: [], alive_as_of: "2026-02-31T00:00:00Z" }, "no time"],
    ["orphans", { alive: [], alive_as_of: "2026-01-01T00:00:00Z", dead: [] }, "dead"],
    ["releases", { releases: [] }, "releases"],
    ["releases", { releases: [{ consumer: "x", generation: 1 }] }, "x"],
    ["releases", { releases: [{ consumer: consumerUuid(1) }] }, "generation"],
  ])("asked for at %s by %j are refused with what is wrong", async (path, body, problem) => {
    const answer = await post(path, body);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain(problem);
  });

  test("of lines that are none, or too many in a document, are refused", async () => {
    const head = JSON.stringify({ alive_as_of: new Date().toISOString() });
    const lines = (text: string) => post("orphans", text, "application/x-ndjson");
    expect(await (await lines(`${head}\n${consumerUuid(1)}\n\nx\n`)).text()).toContain(
      "Line 4 is no UUID",
    );
    expect((await lines("")).status).toBe(400);
    expect((await lines("{}\n")).status).toBe(400);
    expect((await lines(head)).status).toBe(200);
    const alive = Array.from({ length: 7000 }, (_, number) => consumerUuid(number));
    const answer = await post("orphans", { alive_as_of: new Date().toISOString(), alive });
    expect([answer.status, (await answer.json()) as object]).toMatchObject([
      400,
      { errors: [{ code: "stowage.too_large" }] },
    ]);
  });

  async function leaks(
    alive: readonly string[],
    words: readonly string[],
    environment: NodeJS.ProcessEnv = { OS_TOKEN: "admin" },
  ): Promise<CommandOutcome> {
    const file = join(folder.path, "alive");
    await writeFile(file, alive.map((uuid) => `${uuid}\n`).join(""));
    return runCommandLine(["leaks", "--alive", file, ...words], environment);
  }

  test("are told on the command line, of the service and of its database alike", async () => {
    const url = ["--url", stowage.client.url];
    const told = await leaks(uuids(1, 2), url);
    expect([told[0], told[2]]).toEqual([3, ""]);
    expect(told[1]).toBe(
      [
        `  ${consumerUuid(3)}  2020-01-01  4 VCPU of ${HOST}`,
        `  ${consumerUuid(4)}  2020-01-01  5 VCPU of ${HOST}; 6 VCPU of ${OTHER}`,
        `  ${consumerUuid(5)}  2020-01-01  7 VCPU of ${OTHER}`,
        `  ${consumerUuid(2)} lives, and is on ${HOST} and ${OTHER}`,
        "3 consumers hold 22 VCPU and belong to nobody; 1 is on several hosts.",
        "",
      ].join("\n"),
    );
    expect(await leaks(uuids(1, 2), ["--config-dir", folder.path])).toEqual(told);
    expect(await leaks(uuids(1, 2, 3, 4, 5), url)).toEqual([
      0,
      expect.stringContaining("All of 6 consumers belong to somebody; 2 are on several hosts.\n"),
      "",
    ]);
    const [code, output] = await leaks(uuids(1, 2), [...url, "--tree", OTHER, "--json"]);
    expect([code, (JSON.parse(output) as Report).freed]).toEqual([3, { VCPU: 18 }]);
  });

  test("are released on the command line, when it is said that they may be", async () => {
    const url = ["--url", stowage.client.url];
    const [code, output, errors] = await leaks(uuids(1, 2), [
      ...url,
      "--release",
      "--yes",
      "--reason",
      "INC-4711",
    ]);
    expect([code, errors]).toEqual([4, ""]);
    expect(output).toContain("\n3 consumers were released.\n");
    expect((await leaks(uuids(1, 2), url))[0]).toBe(0);
  });

  test("are not released without a yes, of nobody's list, or of a database", async () => {
    const options = { url: stowage.client.url, token: "admin", release: true } as const;
    const file = join(folder.path, "alive");
    await writeFile(file, `${consumerUuid(1)}\n`);
    const answering = (text: string, alive: string) =>
      atTerminal((terminal) =>
        findLeaks({ ...options, alive }, { ...terminal, input: Readable.from([text]) }),
      );
    const [code, , asked] = await answering("n\n", file);
    expect([code, asked]).toEqual([3, expect.stringContaining("Release what 4 consumers hold?")]);
    await expect(answering(`${consumerUuid(1)}\n`, "-")).rejects.toThrow("say --yes");
    await expect(answering("", "-")).rejects.toThrow("standard input names nobody who is alive");
    await expect(answering("No servers found.\n", "-")).rejects.toThrow("line 1: 'No servers");
    expect(await leaks(uuids(1), ["--config-dir", folder.path, "--release", "--yes"])).toEqual([
      1,
      "",
      "stowage: --release needs a service: a database is only read\n",
    ]);
    expect(await heldBy(3)).not.toEqual({});
  });
});
