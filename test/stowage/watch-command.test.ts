import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";

import { watch, type WatchCommand } from "../../src/cli/ask/watch.ts";
import { runCommandLine } from "../support/command-line.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";

const HOST = providerUuid(1);
const CONSUMER = consumerUuid(1);

/** What a command has written, line by line. */
class Lines extends Writable {
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }

  get lines(): string[] {
    return this.text.split("\n").slice(0, -1);
  }
}

/** Runs the command until the test is over. */
function run(command: Partial<WatchCommand> & Pick<WatchCommand, "url">) {
  const ending = new AbortController();
  const [output, problems] = [new Lines(), new Lines()];
  const whole = { token: "admin", providers: [], filters: [], isJson: false, ...command };
  const exit = watch({ ...whole, signal: ending.signal }, { output, problems });
  const end = () => {
    ending.abort();
    return exit;
  };
  onTestFinished(() => void end().catch(() => {}));
  return { output, problems, exit, end };
}

describe("stowage watch", () => {
  let stowage: LocalStowage;
  let position: string;

  beforeEach(async () => {
    stowage = await startHere();
    ({ position } = (await stowage.client.get("/stowage/v1")).json<{ position: string }>());
  });
  afterEach(() => stowage.stop());

  const lines = (output: Lines) =>
    expect.poll(() => output.lines.map((line) => line.replace(/\S+Z\b/, "TIME")), {
      timeout: 60_000,
    });

  test("tells in a line what changed, from what to what, and who asked", async () => {
    await makeProvider(stowage.client, HOST, { VCPU: 8 });
    const { output, end } = run({ url: stowage.client.url, after: position });
    await stowage.client.expectSuccess("PUT", `/allocations/${CONSUMER}`, {
      body: claimBody({ [HOST]: { VCPU: 2 } }),
    });
    await stowage.client.expectSuccess("PUT", `/resource_providers/${HOST}/inventories`, {
      body: { resource_provider_generation: 2, inventories: { VCPU: { total: 16 } } },
    });
    await stowage.client.expectSuccess("DELETE", `/allocations/${CONSUMER}`);
    const id = expect.stringMatching(/ {2}req-\S+$/);
    await lines(output).toHaveLength(8);
    const told = output.lines.map((line) =>
      line.replace(/^\S+Z {2}/, "").replace(/ {2}req-\S+$/, ""),
    );
    expect(output.lines).toEqual(output.lines.map(() => id));
    expect(told).toEqual(
      expect.arrayContaining([
        `consumer  ${CONSUMER}  lab: nothing -> VCPU:2 of ${HOST}`,
        "consumer_type  INSTANCE  none -> INSTANCE",
        expect.stringMatching(`^provider {2}${HOST} {2}.*VCPU total 8 -> 16$`),
        `consumer_deleted  ${CONSUMER}  lab: VCPU:2 of ${HOST} -> nothing`,
      ]),
    );
    expect(await end()).toBe(0);
  });

  test("tells with --json the events, each with its position, and of one provider by its name", async () => {
    await makeProvider(stowage.client, HOST, { VCPU: 8 });
    await makeProvider(stowage.client, providerUuid(2), { VCPU: 8 });
    const { output } = run({
      url: stowage.client.url,
      after: position,
      providers: [HOST],
      isJson: true,
    });
    await lines(output).toHaveLength(2);
    const [first, second] = output.lines.map((line) => JSON.parse(line));
    expect([first.subject, second.subject]).toEqual([HOST, HOST]);
    const rest = run({
      url: stowage.client.url,
      after: first.position,
      filters: [["kind", "provider"]],
    });
    await lines(rest.output).toHaveLength(3);
  });

  test("says when there is no such provider, or nothing to be asked", async () => {
    const { url } = stowage.client;
    const missing = run({ url, providers: ["nobody"] });
    await expect(missing.exit).rejects.toThrow("there is no provider of the name nobody");
    await expect(run({ url, filters: [["kind", "gap"]] }).exit).rejects.toThrow("answered 400");
    expect(await runCommandLine(["watch", "--url", "http://127.0.0.1:1"])).toEqual([
      1,
      "",
      expect.stringContaining("cannot be asked"),
    ]);
  });
});

test("stowage watch goes on after the last event when the connection ends, until it cannot", async () => {
  const asked: (string | null)[] = [];
  const server = createServer((request, response) => {
    asked.push(new URL(request.url ?? "", "http://host").searchParams.get("after"));
    response.writeHead(200, { "content-type": "text/event-stream", "stowage-position": "P0" });
    const event = (id: string) =>
      `id: ${id}\nevent: trait\ndata: {"type":"trait","subject":"A\\u001b${id}"}\n\n`;
    if (asked.length === 1) response.end(event("P1"));
    // Broken off in the midst of an event.
    else if (asked.length === 2) response.write(event("P2") + "id: P3\n", () => response.destroy());
    else response.end("event: gone\ndata: {}\n\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const { output, exit } = run({ url: `http://127.0.0.1:${port}` });
  await expect(exit).rejects.toThrow("cannot tell what comes next");
  expect(asked).toEqual([null, "P1", "P2"]);
  expect(output.lines).toEqual(["-  trait  A?P1", "-  trait  A?P2"]);
});
