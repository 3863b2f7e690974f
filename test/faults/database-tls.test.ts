import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { CompiledQuery } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database } from "../../src/db/database.ts";
import { DatabaseUnavailable } from "../../src/db/errors.ts";
import { makeFolder } from "../support/stowage.ts";
import { PRIVATE_ENGINES, type PrivateServer } from "./private-servers.ts";

const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };

/** What the URL says to have the server's host name verified. */
const VERIFYING: Readonly<Record<string, (caFile: string) => string>> = {
  PostgreSQL: (caFile) => `sslmode=verify-full&sslrootcert=${caFile}`,
  MariaDB: (caFile) => `ssl_ca=${caFile}`,
};

/** And to have only encryption. */
const ENCRYPTING: Readonly<Record<string, string>> = {
  PostgreSQL: "sslmode=require",
  MariaDB: "ssl_verify_cert=false",
};

const ENCRYPTED: Readonly<Record<string, string>> = {
  PostgreSQL: "select ssl::text as cipher from pg_stat_ssl where pid = pg_backend_pid()",
  MariaDB:
    "select variable_value as cipher from information_schema.session_status " +
    "where variable_name = 'ssl_cipher'",
};

describe.for(PRIVATE_ENGINES)("a $name with a certificate", (engine) => {
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let server: PrivateServer;

  beforeAll(async () => {
    folder = await makeFolder();
  });

  afterAll(async () => {
    await folder.remove();
  });

  async function serveAs(names: string): Promise<string> {
    const { keyFile, certFile } = issue(folder.path, names);
    server = await engine.start({
      certificate: readFileSync(certFile, "utf8"),
      key: readFileSync(keyFile, "utf8"),
    });
    await server.createDatabase("placement");
    return certFile;
  }

  async function cipherOf(host: string, query: string): Promise<unknown> {
    const url = new URL(server.connectionTo("placement"));
    url.hostname = host;
    url.search = query;
    const database = await Database.open(parseConnectionUrl(url.href), { maxRetries: 0 });
    try {
      return await database.reader(CONTEXT, async (tx) => {
        const { rows } = await tx.query.executeQuery<{ cipher: string }>(
          CompiledQuery.raw(ENCRYPTED[engine.name] ?? ""),
        );
        return rows[0]?.cipher;
      });
    } finally {
      await database.close();
    }
  }

  test("is only spoken to where the certificate is for its host, if that is asked for", async () => {
    const authority = await serveAs("DNS:db.example,IP:127.0.0.1");
    try {
      const verifying = VERIFYING[engine.name]?.(authority) ?? "";
      expect(await cipherOf("127.0.0.1", verifying)).toBeTruthy();
      await expect(cipherOf("localhost", verifying)).rejects.toThrow(DatabaseUnavailable);
      expect(await cipherOf("localhost", ENCRYPTING[engine.name] ?? "")).toBeTruthy();
    } finally {
      await server.remove();
    }
  });

  test("is told from one with a certificate for this machine's name, where it has an address", async () => {
    const authority = await serveAs("DNS:localhost");
    try {
      const verifying = VERIFYING[engine.name]?.(authority) ?? "";
      expect(await cipherOf("localhost", verifying)).toBeTruthy();
      await expect(cipherOf("127.0.0.1", verifying)).rejects.toThrow(DatabaseUnavailable);
    } finally {
      await server.remove();
    }
  });
});

/** Makes a certificate that vouches for itself. */
function issue(folder: string, names: string) {
  const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")] as const;
  execFileSync(
    "openssl",
    [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1".split(" "),
      ...`-subj /CN=db -addext subjectAltName=${names} -keyout ${keyFile} -out ${certFile}`.split(
        " ",
      ),
    ],
    { stdio: "ignore" },
  );
  return { keyFile, certFile };
}
