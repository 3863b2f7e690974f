import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { takeBackEnded } from "../../src/operations/lease-expiry.ts";
import { ROOT } from "../source-files.ts";
import { runCommandLine } from "../support/command-line.ts";
import { consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { cleanEnvironment, startHere, type LocalStowage } from "../support/stowage.ts";
import { leaseOf, letPass } from "./held-leases.ts";

const HOST = providerUuid(1);
const PATIENCE = { timeout: 60_000, interval: 20 };

describe("stowage claim with a command", () => {
  let stowage: LocalStowage;

  beforeAll(async () => {
    stowage = await startHere();
    await makeProvider(stowage.client, HOST, { VCPU: 4 });
  });

  afterAll(() => stowage.stop());

  function argumentsOf(options: readonly string[], words: readonly string[]): string[] {
    const whose = ["--url", stowage.client.url, "--project", "lab", "--user", "ci"];
    return ["claim", "resources=VCPU:1", ...whose, ...options, "--", ...words];
  }

  function start(options: readonly string[], script: string) {
    const child = spawn(
      join(ROOT, "bin", "stowage"),
      argumentsOf(options, [process.execPath, "-e", script]),
      {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...cleanEnvironment("/nonexistent"), OS_TOKEN: "admin" },
      },
    );
    const outcome = Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]).then(
      ([[code], output, problems]) => ({ code: code as number | null, output, problems }),
    );
    return { child, outcome };
  }

  async function holds(consumer: string): Promise<boolean> {
    return (await stowage.client.get(`/stowage/v1/consumers/${consumer}`)).status === 200;
  }

  test("holds what was granted while it runs, tells it what that is, and ends as it does", async () => {
    const consumer = consumerUuid(1);
    const script = `
      const { STOWAGE_CONSUMER, STOWAGE_PROVIDERS, STOWAGE_PROVIDER_NAMES, STOWAGE_CLAIM } = process.env;
      console.log([STOWAGE_CONSUMER, STOWAGE_PROVIDERS, STOWAGE_PROVIDER_NAMES].join());
      console.log(JSON.parse(STOWAGE_CLAIM).claims[0].lease.seconds);
      fetch("${stowage.client.url}/stowage/v1/consumers/" + STOWAGE_CONSUMER, {
        headers: { "x-auth-token": "admin" },
      }).then(({ status }) => { console.log(status); process.exit(7); });
    `;
    const { code, output, problems } = await start(
      ["--consumer", consumer, "--lease", "2m"],
      script,
    ).outcome;
    expect(output).toBe(`${consumer},${HOST},${HOST}\n120\n200\n`);
    expect(problems).toMatch(new RegExp(`^consumer ${consumer} until .*Z\\n  ${HOST} VCPU:1\\n$`));
    expect(code).toBe(7);
    expect(await holds(consumer)).toBe(false);
  });

  test("passes signals on, and gives back after it has ended", async () => {
    const consumer = consumerUuid(2);
    const { child, outcome } = start(
      ["--consumer", consumer],
      "process.on('SIGTERM', () => { console.log('asked to end'); process.exit(5); });" +
        "setInterval(() => {}, 1000); console.log('begun');",
    );
    await once(child.stdout, "data");
    expect(await holds(consumer)).toBe(true);
    child.kill("SIGTERM");
    expect(await outcome).toMatchObject({ code: 5 });
    expect(await holds(consumer)).toBe(false);

    const other = start(
      ["--consumer", consumer],
      "console.log('begun'); setInterval(() => {}, 1e3)",
    );
    await once(other.child.stdout, "data");
    other.child.kill("SIGHUP");
    expect((await other.outcome).code).toBe(128 + 1);
    expect(await holds(consumer)).toBe(false);
  });

  test("renews while it runs, and ends it when the lease is lost all the same", async () => {
    const consumer = consumerUuid(3);
    const { outcome } = start(
      ["--consumer", consumer, "--lease", "10s"],
      "setInterval(() => {}, 1e3)",
    );
    await vi.waitFor(async () => expect(await holds(consumer)).toBe(true), PATIENCE);
    const before = (await leaseOf(stowage, consumer).get()).text;
    await vi.waitFor(
      async () => expect((await leaseOf(stowage, consumer).get()).text).not.toBe(before),
      PATIENCE,
    );
    // It may be renewed just between the two.
    await vi.waitFor(async () => {
      await letPass(stowage, 60);
      await takeBackEnded(stowage.service);
      expect(await holds(consumer)).toBe(false);
    }, PATIENCE);
    const { code, problems } = await outcome;
    expect([code, problems]).toEqual([4, expect.stringContaining("was lost")]);
  });

  test("leaves alone what somebody has it keep for good", async () => {
    const consumer = consumerUuid(4);
    const { child, outcome } = start(
      ["--consumer", consumer, "--lease", "10"],
      "setInterval(() => {}, 1e3); console.log('begun')",
    );
    const problems: string[] = [];
    child.stderr.on("data", (part: Buffer) => problems.push(part.toString()));
    await once(child.stdout, "data");
    expect((await leaseOf(stowage, consumer).keep()).status).toBe(204);
    await vi.waitFor(() => expect(problems.join("")).toContain("for good"), PATIENCE);
    child.kill("SIGTERM");
    expect((await outcome).code).toBe(128 + 15);
    expect(await holds(consumer)).toBe(true);
    await stowage.client.expectSuccess("DELETE", `/allocations/${consumer}`);
  });

  test("runs nothing where nothing is to be had, and gives back what no command can use", async () => {
    const consumer = consumerUuid(5);
    const ask = (options: readonly string[], words: readonly string[]) =>
      runCommandLine(argumentsOf(options, words), { OS_TOKEN: "admin" });
    expect(await ask(["--consumer", consumer], ["/nonexistent/command"])).toEqual([
      127,
      "",
      expect.stringContaining("/nonexistent/command cannot be run"),
    ]);
    expect(await holds(consumer)).toBe(false);
    const none = ["--not-on", HOST];
    expect(await ask(none, ["/nonexistent/command"])).toEqual([
      3,
      "",
      expect.stringContaining("not_on"),
    ]);
    expect(await ask(["--dry-run"], ["true"])).toEqual([2, "", expect.stringContaining("dry run")]);
    expect(await ask(["--lease", "5x"], ["true"])).toEqual([2, "", expect.stringContaining("5m")]);
  });
});
