import { createServer } from "node:http";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { runCommandLine, type CommandOutcome } from "../support/command-line.ts";
import { ENGINES, type TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { makeFolder, startHere, writeConfig, type LocalStowage } from "../support/stowage.ts";

const [HOST, CHILD] = [providerUuid(1), providerUuid(2)];

/** Of one moment, each reader writes it as it has come to know the feed. */
function withoutPosition([code, output, errors]: CommandOutcome): CommandOutcome {
  return [code, output.replace(/"position":"1\.[^"]+"/, ""), errors];
}

/** Inventories that say little. */
const MORE = Array.from(
  { length: 9 },
  (_, at) =>
    `"C${at}":{"total":1,"reserved":0,"min_unit":1,"max_unit":1,"step_size":1,"allocation_ratio":1,"used":0},`,
).join("");

type Folder = Awaited<ReturnType<typeof makeFolder>>;

async function fill({ client }: LocalStowage): Promise<void> {
  await client.expectSuccess("PUT", "/traits/CUSTOM_GOLD");
  await makeProvider(client, HOST, { VCPU: 8 });
  await client.expectSuccess("PUT", `/resource_providers/${HOST}/traits`, {
    body: { resource_provider_generation: 1, traits: ["CUSTOM_GOLD"] },
  });
  await client.expectSuccess("POST", "/resource_providers", {
    body: { uuid: CHILD, name: 'a "child"', parent_provider_uuid: HOST },
  });
  const body = claimBody({ [HOST]: { VCPU: 3 } });
  await client.expectSuccess("PUT", `/allocations/${consumerUuid(1)}`, { body });
}

describe.each([...ENGINES, ...SERVER_ENGINES])("beside a Stowage that serves $name", (engine) => {
  let database: TestDatabase;
  let stowage: LocalStowage;
  let folder: Folder;

  beforeEach(async () => {
    database = await engine.createDatabase();
    folder = await makeFolder();
    await writeConfig(folder.path, { placement_database: { connection: database.connection } });
    stowage = await startHere({ placementDatabase: { connection: database.connection } });
    await fill(stowage);
  });

  afterEach(async () => {
    await stowage.stop();
    await folder.remove();
    await database.remove();
  });

  const ofService = (...words: string[]) =>
    runCommandLine([...words, "--url", stowage.client.url], { OS_TOKEN: "admin" });
  const ofDatabase = (...words: string[]) =>
    runCommandLine([...words, "--config-dir", folder.path]);

  test("the database tells what the service tells, and is left as it is", async () => {
    for (const words of [
      ["snapshot"],
      ["snapshot", "--format", "json", "--fields", "usages,traits"],
      ["snapshot", "--tree", CHILD],
      ["metrics", "--allocations"],
      ["explain", "resources=VCPU:6", "--json"],
      ["explain", "resources=VCPU:6&required=CUSTOM_NONE"],
    ]) {
      const told = await ofService(...words);
      expect([words, told[2]]).toEqual([words, ""]);
      expect(withoutPosition(await ofDatabase(...words))).toEqual(withoutPosition(told));
    }
    // What it read is of the moment, and nobody is kept from writing.
    await stowage.client.expectSuccess("DELETE", `/allocations/${consumerUuid(1)}`);
    expect((await ofDatabase("snapshot"))[1]).toContain('"used":0');
  });
});

describe("the file of a database that nobody serves", () => {
  test("is read without a byte of it being changed", async () => {
    const folder = await makeFolder();
    const file = join(folder.path, "placement.sqlite");
    const connection = `sqlite:///${file}`;
    const stowage = await startHere({ placementDatabase: { connection } });
    await fill(stowage);
    await stowage.stop();
    await writeConfig(folder.path, { placement_database: { connection } });
    const before = await readFile(file);
    const outcome = await runCommandLine(["snapshot", "--config-dir", folder.path]);
    expect([outcome[0], outcome[2]]).toEqual([0, ""]);
    expect((await readFile(file)).equals(before)).toBe(true);
    await folder.remove();
  });
});

describe("a snapshot", () => {
  let folder: Folder;
  let stowage: LocalStowage;
  let lines: string;

  beforeAll(async () => {
    folder = await makeFolder();
    stowage = await startHere();
    await fill(stowage);
    [, lines] = await take("snapshot");
  });

  afterAll(async () => {
    await stowage.stop();
    await folder.remove();
  });

  const take = (...words: string[]) =>
    runCommandLine([...words, "--url", stowage.client.url], { OS_TOKEN: "admin" });

  async function explainFile(text: string | Buffer): Promise<CommandOutcome> {
    const file = join(folder.path, "fleet");
    await writeFile(file, text);
    const outcome = await runCommandLine(["explain", "resources=VCPU:6", "--snapshot", file]);
    return [outcome[0], outcome[1], outcome[2].replaceAll(file, "FILE")];
  }

  test("is asked in each of its forms, and also after a tool has looked at it", async () => {
    const [, document] = await take("snapshot", "--format", "json");
    const told = await take("explain", "resources=VCPU:6");
    for (const text of [
      lines,
      lines.trimEnd(),
      document,
      `${JSON.stringify(JSON.parse(document), undefined, 2)}\n`,
    ]) {
      expect(await explainFile(text)).toEqual(told);
    }
  });

  test("of many is asked as well, as it is a document of the operator's own", async () => {
    const [, host = ""] = lines.split("\n");
    const many = Array.from({ length: 3000 }, (_, at) =>
      host.replaceAll(HOST, providerUuid(100 + at)).replace('"VCPU":{', `${MORE}"VCPU":{`),
    );
    const document = `{"position":"","providers":[${many.join()}]}`;
    const [code, output, errors] = await explainFile(document);
    expect([code, errors]).toEqual([3, ""]);
    expect(output).toContain("3000 hosts");
  });

  test("is only there when it is whole", async () => {
    const file = join(folder.path, "whole.ndjson");
    await writeFile(file, "the one of before");
    const server = createServer((_, response) => {
      response.writeHead(200).end('{"position":"1.0","providers":1}\n');
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const outcome = await runCommandLine(["snapshot", "--url", url, "--output", file]);
    server.close();
    expect(outcome).toEqual([1, "", "stowage: the snapshot broke off: its end is missing\n"]);
    expect(await readFile(file, "utf8")).toBe("the one of before");
    expect((await take("snapshot", "--output", file))[0]).toBe(0);
    expect(await readFile(file, "utf8")).toBe(lines);
    expect((await readdir(folder.path)).filter((name) => name.endsWith(".part"))).toEqual([]);
    expect(await take("snapshot", "--output", join(folder.path, "none", "file"))).toEqual([
      1,
      "",
      expect.stringMatching(/^stowage: .* cannot be written: ENOENT/),
    ]);
  });

  test("that is no snapshot, or not whole, is refused with the line that is wrong", async () => {
    const [head = "", host = "", child = ""] = lines.split("\n");
    const refusals: [text: string | Buffer, problem: string][] = [
      ["", "FILE: there is nothing in it"],
      ["\n", "FILE: there is nothing in it"],
      [lines.replace('{"end":true}\n', ""), "FILE: it is cut off: its end is missing"],
      [lines.slice(0, -30), "FILE, line 3: Malformed JSON"],
      [`${lines}${host}\n`, "FILE, line 5: there is more after the end of the snapshot"],
      ["<html>", "FILE, line 1: Malformed JSON"],
      [Buffer.from([0xff, 0xfe, 0x0a]), "FILE, line 1: Malformed JSON"],
      ["[]", "FILE, line 1: JSON does not validate"],
      ['{"providers": 3}', "FILE, line 1: JSON does not validate: 'position' is a required"],
      [`${head}\n${host}\n${host}\n`, `FILE, line 3: the provider ${HOST} is in it twice`],
      [
        `${head}\n${child}\n{"end":true}\n`,
        `FILE: ${HOST}, which is in the tree of ${CHILD}, is not`,
      ],
      [lines.replace('"total":8', '"total":1e99'), "FILE, line 2: JSON does not validate"],
      [lines.replace('"total":8', '"total":"8"'), "FILE, line 2: JSON does not validate: "],
      [lines.replace('"used":3', '"used":-1'), "FILE, line 2: JSON does not validate: "],
      [lines.replace('["CUSTOM_GOLD"]', "null"), "FILE, line 2: JSON does not validate: "],
      [`${head}\n${"[".repeat(5000)}\n`, "FILE, line 2: Malformed JSON: nested deeper than 100"],
    ];
    for (const [text, problem] of refusals) {
      const [code, output, errors] = await explainFile(text);
      expect([code, output], problem).toEqual([1, ""]);
      expect(errors).toContain(`stowage: ${problem}`);
      expect(errors.split("\n")).toHaveLength(2);
    }
    const missing = await runCommandLine(["explain", "resources=VCPU:6", "--snapshot", "/no/file"]);
    expect(missing).toEqual([1, "", expect.stringContaining("/no/file cannot be read: ENOENT")]);
  });

  test("is made of one place, not of several", async () => {
    const words = ["explain", "resources=VCPU:1", "--url", "http://127.0.0.1:1"];
    for (const [more, problem] of [
      [["--snapshot", "file"], "say --url or --snapshot, not several"],
      [["--config-dir", folder.path], "say --url or --config-dir, not several"],
    ] as const) {
      expect(await runCommandLine([...words, ...more])).toEqual([1, "", `stowage: ${problem}\n`]);
    }
  });
});
