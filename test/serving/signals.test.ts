import { once } from "node:events";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

import { issueCertificate } from "../support/certificate.ts";
import { ask, askAt, beginRequest, makePlace, serve, until } from "./support.ts";

// Each of them starts a process, on a machine that may be busy.

describe("SIGTERM", () => {
  test("lets requests in flight finish, takes no others, and ends with 0", async () => {
    const served = serve(await makePlace());
    const url = await served.url();
    const request = await beginRequest(url);
    served.process.kill("SIGTERM");
    await until(() =>
      askAt(url).then(
        () => false,
        () => true,
      ),
    );
    // A service manager and a terminal may say it again.
    served.process.kill("SIGTERM");
    expect(served.process.exitCode).toBeNull();
    const answer = await request.finish();
    expect(answer).toMatch(/^HTTP\/1\.1 201 /);
    expect(answer.toLowerCase()).toContain("connection: close");
    expect(await served.ended).toEqual([0, null]);
  });

  test("cuts off what takes longer than shutdown_timeout, and says so", async () => {
    const served = serve(await makePlace({ stowage: { shutdown_timeout: 1 } }));
    await beginRequest(await served.url());
    served.process.kill("SIGTERM");
    expect(await served.ended).toEqual([0, null]);
    expect(served.errors.join("\n")).toContain("Requests were cut off");
  });
});

describe("SIGHUP", () => {
  test("takes over what can be, and says what has to wait for a restart", async () => {
    const place = await makePlace();
    const served = serve(place);
    const url = await served.url();
    await place.configure({
      DEFAULT: { debug: true },
      stowage: { path_prefix: "/placement", port: 1 },
    });
    served.process.kill("SIGHUP");
    await until(() => served.errors.some((line) => line.includes("next start")));
    const lines = served.errors.join("\n");
    expect(lines).toContain(
      "read again; changed: [DEFAULT] debug, [stowage] port, [stowage] path_prefix",
    );
    expect(lines).toMatch(/take effect with the next start: \[stowage\] port$/m);
    expect((await askAt(`${url}/placement/resource_providers`)).status).toBe(200);
  });

  test("leaves everything as it was where the configuration cannot be used", async () => {
    const place = await makePlace({ stowage: { path_prefix: "/one" } });
    const served = serve(place);
    const { origin: url } = new URL(await served.url());
    const unusable = [
      { DEFAULT: { debug: "perhaps" } },
      { stowage: { host: "::" } },
      { placement_database: { connection: "foo://" } },
      { placement_database: { connection: "sqlite://?foo=1" } },
      { oslo_policy: { policy_file: join(place.folder, "broken.yaml") } },
    ];
    writeFileSync(join(place.folder, "broken.yaml"), "{");
    for (const [at, groups] of unusable.entries()) {
      await place.configure({ ...groups, stowage: { path_prefix: "/two", ...groups.stowage } });
      served.process.kill("SIGHUP");
      await until(() => complaintsOf(served.errors).length === at + 1);
      expect((await askAt(`${url}/one/resource_providers`)).status).toBe(200);
      expect((await askAt(`${url}/two/resource_providers`)).status).toBe(404);
    }
  });

  test("does not believe everybody on a socket that is open to other machines", async () => {
    const keystone = { auth_url: "http://127.0.0.1:1", auth_type: "password", password: "p" };
    const place = await makePlace({
      api: { auth_strategy: "keystone" },
      keystone_authtoken: { ...keystone, username: "placement", user_domain_id: "default" },
      stowage: { host: "0.0.0.0" },
    });
    const served = serve(place);
    const { port } = new URL(await served.url());
    await place.configure({ api: { auth_strategy: "noauth2" }, stowage: { host: "127.0.0.1" } });
    served.process.kill("SIGHUP");
    await until(() => served.errors.some((line) => line.includes("The configuration ")));
    expect(complaintsOf(served.errors)).toEqual([expect.stringContaining("not on 0.0.0.0")]);
    const path = "/resource_providers";
    expect((await ask({ port, path, headers: { "x-auth-token": "" } })).status).toBe(401);
  });

  test("does not begin HTTPS, which takes a restart, and says so", async () => {
    const place = await makePlace();
    const served = serve(place);
    const url = await served.url();
    const file = (name: string) => join(place.folder, name);
    issueCertificate({ certFile: file("cert.pem"), keyFile: file("key.pem") }, "here");
    const stowage = { tls_cert_file: file("cert.pem"), tls_key_file: file("key.pem") };
    await place.configure({ stowage });
    served.process.kill("SIGHUP");
    await until(() => complaintsOf(served.errors).length === 1);
    expect(complaintsOf(served.errors)).toEqual([expect.stringContaining("without a restart")]);
    expect((await askAt(url)).status).toBe(200);
  });

  test("goes on with a log file that was moved away", async () => {
    const place = await makePlace();
    const logFile = join(place.folder, "placement.log");
    await place.configure({ DEFAULT: { log_file: logFile } });
    const served = serve(place);
    const url = await served.url();
    await askAt(`${url}/first`);
    await until(() => contentOf(logFile).includes("/first"));
    renameSync(logFile, `${logFile}.1`);
    served.process.kill("SIGHUP");
    await until(() => contentOf(logFile).includes("read again"));
    await askAt(`${url}/second`);
    await until(() => contentOf(logFile).includes("/second"));
    expect(contentOf(`${logFile}.1`)).not.toContain("/second");
  });
});

describe("while the service starts", () => {
  /** It waits for a database server that never answers. */
  async function serveInVain() {
    const silent = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void silent.close());
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const connection = `postgresql://placement:x@127.0.0.1:${port}/placement`;
    const place = await makePlace({ placement_database: { connection } });
    const served = serve(place);
    await once(silent, "connection");
    return served;
  }

  test("SIGHUP is not lost: it is said that it has to wait", async () => {
    const served = await serveInVain();
    served.process.kill("SIGHUP");
    await until(() => served.errors.some((line) => line.includes("when the start is over")));
    served.process.kill("SIGTERM");
    expect(await served.ended).toEqual([0, null]);
  });

  test("SIGTERM ends it at once", async () => {
    const served = await serveInVain();
    served.process.kill("SIGTERM");
    expect(await served.ended).toEqual([0, null]);
  });
});

describe("a service that cannot start says why in one line and ends with 1", () => {
  test("the port is in use", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void other.close());
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const served = serve(await makePlace({ stowage: { port } }));
    expect(await served.ended).toEqual([1, null]);
    expect(complaintsAtStart(served.errors)).toEqual([
      expect.stringMatching(
        `^stowage: cannot listen on 127.0.0.1:${port} .*EADDRINUSE.*: another process has it, .*` +
          "set \\[stowage\\] port",
      ),
    ]);
  });

  test.each([
    [{ stowage: { port: 99_999 } }, "[stowage] port must be a whole number"],
    [{ stowage: { workers: 2 } }, "[stowage] workers = 2 needs PostgreSQL or MySQL"],
    [{ placement_database: { connection: "oracle://db" } }, "oracle is not supported"],
    [{ placement_database: { sync_on_startup: false } }, "db sync"],
    [
      { placement_database: { connection: "sqlite:////nowhere/p.sqlite" } },
      "unable to open database file",
    ],
    [{ stowage: { unix_socket: "/nowhere/api.sock" } }, "unix_socket = /nowhere/api.sock"],
    [{ stowage: { host: "192.0.2.1", allow_insecure_noauth: true } }, "[stowage] host"],
    [{ stowage: { tls_cert_file: "/nowhere/cert.pem" } }, "[stowage] tls_cert_file"],
    [{ DEFAULT: { log_file: "/nowhere/x.log" } }, "[DEFAULT] log_file"],
  ])("%j", async (groups, message) => {
    const served = serve(await makePlace(groups));
    expect(await served.ended).toEqual([1, null]);
    expect(complaintsAtStart(served.errors)).toEqual([expect.stringContaining(message)]);
  });
});

/** Beside what the log says. */
function complaintsAtStart(errors: readonly string[]): string[] {
  return errors.filter((line) => !/^\d{4}-\d\d-\d\d /.test(line));
}

function complaintsOf(errors: readonly string[]): string[] {
  return errors.filter((line) => line.includes("The configuration stays as it was"));
}

function contentOf(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
