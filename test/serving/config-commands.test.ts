import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { ActingKeystone } from "../keystone/acting-keystone.ts";
import { issueCertificate } from "../support/certificate.ts";
import { runCommandLine } from "../support/command-line.ts";
import { makeOnlyReader } from "../support/only-reader.ts";
import { makeFolder, writeConfig } from "../support/stowage.ts";

type Written = Parameters<typeof writeConfig>[1];

interface Finding {
  readonly subject: string;
  readonly result: string;
  readonly text: string;
}

let folder: Awaited<ReturnType<typeof makeFolder>>;

beforeEach(async () => {
  folder = await makeFolder();
});

afterEach(() => folder.remove());

/** What would serve, but for what is written besides. */
async function write(more: Written = {}): Promise<void> {
  await writeConfig(folder.path, {
    ...more,
    api: { auth_strategy: "noauth2", ...more["api"] },
    placement_database: {
      connection: `sqlite:///${join(folder.path, "placement.sqlite")}`,
      ...more["placement_database"],
    },
    stowage: { port: "0", ...more["stowage"] },
  });
}

async function check(): Promise<{ exitCode: number; findings: readonly Finding[] }> {
  const command = ["config", "check", "--json", "--config-dir", folder.path];
  const [exitCode, output] = await runCommandLine(command);
  return { exitCode, ...(JSON.parse(output) as { findings: readonly Finding[] }) };
}

describe("stowage config show", () => {
  test("tells what was written, where, and what of it has no effect, and no secret", async () => {
    await write({
      DEFAULT: { use_syslog: "true" },
      placement_database: { connection: "postgresql://stowage:secret@db/placement" },
      keystone_authtoken: { auth_url: "http://me:secret@keystone/v3", password: "secret" },
    });
    const command = ["config", "show", "--config-dir", folder.path];
    const [exitCode, output] = await runCommandLine(command, { OS_STOWAGE__WORKERS: "3" });
    expect(exitCode).toBe(0);
    expect(output).toMatch(/^auth_strategy = "noauth2" {2}# .*placement\.conf:\d+$/m);
    expect(output).toMatch(/^use_syslog = true {2}# .*; without effect: log to/m);
    expect(output).toContain("workers = 3  # environment variable OS_STOWAGE__WORKERS\n");
    expect(output).toContain('auth_url = "http://***@keystone/v3"');
    expect(output).toContain("connection = ***");
    expect(output).not.toContain("secret");
    expect(output).not.toContain("metrics_prefix");
  });

  test("tells all that is in force where that is asked for, as JSON as well", async () => {
    await write();
    const command = ["config", "show", "--all", "--json", "--config-dir", folder.path];
    const [, output] = await runCommandLine([...command, "--debug"]);
    const { files, options } = JSON.parse(output) as {
      readonly files: readonly string[];
      readonly options: readonly unknown[];
    };
    expect(files).toEqual([join(folder.path, "placement.conf")]);
    expect(options).toContainEqual({
      option: "[stowage] metrics_prefix",
      value: '"openstack"',
      origin: "default",
    });
    expect(options).toContainEqual({
      option: "[DEFAULT] debug",
      value: "true",
      origin: "command line",
    });
  });
});

describe("stowage config check", () => {
  test("finds nothing in the way of a service that could start", async () => {
    await write();
    await runCommandLine(["db", "sync", "--config-dir", folder.path]);
    const { exitCode, findings } = await check();
    expect(findings.filter(({ result }) => result === "error")).toEqual([]);
    expect(findings).toContainEqual({
      subject: "database",
      result: "ok",
      text: expect.stringContaining("its revision is a082b8bb98d0") as string,
    });
    expect(exitCode).toBe(0);
  });

  test.for([
    ["log", { DEFAULT: { log_file: "/nowhere/stowage.log" } }, "cannot write to /nowhere"],
    ["policy", { oslo_policy: { policy_file: "placement.conf" } }, "placement.conf"],
    ["certificate", { stowage: { tls_cert_file: "/nowhere.pem" } }, "ENOENT"],
    ["socket", { stowage: { host: "0.0.0.0" } }, "noauth2 checks no credentials"],
    ["socket", { stowage: { unix_socket: "/nowhere/stowage.sock" } }, "cannot write to /nowhere"],
    ["keystone", { api: { auth_strategy: "keystone" } }, "auth_url is not set"],
    ["configuration", { stowage: { workers: "2" } }, "workers = 2 needs PostgreSQL or MySQL"],
    [
      "database",
      { placement_database: { connection: "sqlite:////nowhere/placement.sqlite" } },
      "cannot write to /nowhere",
    ],
  ] as const)("an error of the %s is told beside all others", async ([subject, more, text]) => {
    await write(more);
    const { exitCode, findings } = await check();
    const ofSubject = findings.filter((finding) => finding.subject === subject);
    expect(ofSubject.at(-1)).toMatchObject({
      result: "error",
      text: expect.stringContaining(text) as string,
    });
    expect(new Set(findings.map((finding) => finding.subject)).size).toBe(7);
    expect(exitCode).toBe(3);
  });

  test("a port that is taken is a warning: it may be the service itself", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    await write({ stowage: { port: String(port) } });
    const { findings } = await check();
    server.close();
    const finding = findings.find(({ subject }) => subject === "socket");
    expect(finding).toMatchObject({
      result: "warning",
      text: expect.stringContaining(`${port}`) as string,
    });
  });

  test("a certificate that ends tomorrow is a warning", async () => {
    const [certFile, keyFile] = [join(folder.path, "cert.pem"), join(folder.path, "key.pem")];
    issueCertificate({ certFile, keyFile }, "stowage.example", "DNS:stowage.example");
    await write({ stowage: { tls_cert_file: certFile, tls_key_file: keyFile } });
    const { findings } = await check();
    const finding = findings.find(({ subject }) => subject === "certificate");
    expect(finding).toMatchObject({
      result: "warning",
      text: expect.stringMatching(
        /^of CN=stowage\.example for DNS:stowage\.example, valid until /,
      ) as string,
    });
  });

  test("whether Keystone takes the service's login is found out by logging in", async () => {
    const keystone = await ActingKeystone.start();
    const login = {
      auth_type: "password",
      auth_url: keystone.url,
      username: "placement",
      user_domain_id: "default",
      project_domain_id: "default",
      password: "secret",
      project_name: "service",
    };
    await write({ api: { auth_strategy: "keystone" }, keystone_authtoken: login });
    const refused = await check();
    keystone.tokens.set("session-2", { roles: ["service"] });
    const accepted = await check();
    await keystone.stop();
    const ofKeystone = ({ findings }: typeof refused) =>
      findings.findLast(({ subject }) => subject === "keystone");
    expect(ofKeystone(refused)).toMatchObject({
      result: "error",
      text: expect.stringContaining("the service's own token is refused") as string,
    });
    expect(ofKeystone(accepted)).toMatchObject({ result: "ok" });
  });
});

describe.for(SERVER_ENGINES)("stowage config check on $name", (engine) => {
  test("tells what the database user may not do", async () => {
    const database = await engine.createDatabase();
    await write({ placement_database: { connection: database.connection } });
    await runCommandLine(["db", "sync", "--config-dir", folder.path]);
    const asOwner = await check();
    const reader = await makeOnlyReader(database.connection);
    await write({ placement_database: { connection: reader.connection } });
    const asReader = await check();
    await reader.remove();
    await database.remove();
    const ofDatabase = ({ findings }: typeof asOwner) =>
      findings.filter(({ subject, result }) => subject === "database" && result !== "ok");
    expect(ofDatabase(asOwner)).toEqual([]);
    expect(asOwner.exitCode).toBe(0);
    const texts = ofDatabase(asReader).map(({ text }) => text);
    expect(texts[0]).toContain("INSERT INTO consumers, UPDATE consumers, DELETE FROM consumers");
    expect(texts[0]).not.toContain("SELECT");
    expect(texts.join("\n")).toContain("may not create tables");
    expect(texts.join("\n")).toContain("may not make triggers");
    expect(asReader.exitCode).toBe(3);
  });

  test("does not wait for a database that is away", async () => {
    await write({
      placement_database: {
        connection: `${engine.name === "MySQL" ? "mysql" : "postgresql"}://stowage@127.0.0.1:1/placement`,
      },
    });
    const { exitCode, findings } = await check();
    expect(findings.at(-1)).toMatchObject({ subject: "database", result: "error" });
    expect(findings.at(-1)?.text).toContain("ECONNREFUSED");
    expect(exitCode).toBe(3);
  });
});
