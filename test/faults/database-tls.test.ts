import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { CompiledQuery } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database } from "../../src/db/database.ts";
import { DatabaseUnavailable } from "../../src/domain/errors.ts";
import { DatabaseMisconfigured } from "../../src/db/errors.ts";
import { issueCertificate } from "../support/certificate.ts";
import { makeFolder } from "../support/stowage.ts";
import { PRIVATE_ENGINES, type PrivateServer } from "./private-servers.ts";

const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };

interface Dialect {
  /** What the URL says to have the server's host name verified. */
  readonly verifying: (caFile: string) => string;
  /** And to have only encryption. */
  readonly encrypting: string;
  /** Tells whether a session is encrypted. */
  readonly cipher: string;
}

const DIALECTS: Readonly<Record<string, Dialect>> = {
  PostgreSQL: {
    verifying: (caFile) => `sslmode=verify-full&sslrootcert=${caFile}`,
    encrypting: "sslmode=require",
    cipher: "select ssl::text as cipher from pg_stat_ssl where pid = pg_backend_pid()",
  },
  MariaDB: {
    verifying: (caFile) => `ssl_ca=${caFile}`,
    encrypting: "ssl_verify_cert=false",
    cipher:
      "select variable_value as cipher from information_schema.session_status " +
      "where variable_name = 'ssl_cipher'",
  },
};

describe.for(PRIVATE_ENGINES)("a $name with a certificate", (engine) => {
  const { verifying, encrypting, cipher } = DIALECTS[engine.name]!;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let server: PrivateServer;

  beforeEach(async () => {
    folder = await makeFolder();
  });

  afterEach(async () => {
    await server.remove();
    await folder.remove();
  });

  /** @returns the file of the authority that vouches for it */
  async function serveAs(names: string): Promise<string> {
    const [keyFile, certFile] = [join(folder.path, "key"), join(folder.path, "cert")] as const;
    issueCertificate({ keyFile, certFile }, "db", names);
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
        const { rows } = await tx.query.executeQuery<{ cipher: string }>(CompiledQuery.raw(cipher));
        return rows[0]?.cipher;
      });
    } finally {
      await database.close();
    }
  }

  test("is only spoken to where the certificate is for its host, if that is asked for", async () => {
    const authority = await serveAs("DNS:db.example,IP:127.0.0.1");
    expect(await cipherOf("127.0.0.1", verifying(authority))).toBeTruthy();
    await expect(cipherOf("localhost", verifying(authority))).rejects.toThrow(DatabaseUnavailable);
    expect(await cipherOf("localhost", encrypting)).toBeTruthy();
  });

  test("is told from one with a certificate for this machine's name, where it has an address", async () => {
    const authority = await serveAs("DNS:localhost");
    expect(await cipherOf("localhost", verifying(authority))).toBeTruthy();
    await expect(cipherOf("127.0.0.1", verifying(authority))).rejects.toThrow(DatabaseUnavailable);
  });

  test("ends a start at once where the certificate is not the one that is asked for", async () => {
    const authority = await serveAs("DNS:another.example");
    const url = new URL(server.connectionTo("placement"));
    url.search = verifying(authority);
    const open = Database.open(parseConnectionUrl(url.href), { maxRetries: -1 });
    await expect(open).rejects.toThrow(DatabaseMisconfigured);
  });

  test.runIf(engine.name === "PostgreSQL")(
    "is spoken to as libpq would where it insists on the other way, encrypted or not",
    async () => {
      await serveAs("DNS:db.example");
      const onlyAs = async (kind: "hostssl" | "hostnossl", method: string) => {
        const session = await server.openSession();
        const [row] = await session.query("show hba_file");
        const lines = [
          "host all postgres 127.0.0.1/32 trust",
          `${kind} all placement 127.0.0.1/32 ${method}`,
        ];
        await writeFile(String(row?.["hba_file"]), `${lines.join("\n")}\n`);
        await session.query("select pg_reload_conf()");
        await session.close();
        await expect
          .poll(async () => {
            const asking = await server.openSession();
            const rows = await asking.query("select type from pg_hba_file_rules order by 1");
            await asking.close();
            return rows.map(({ type }) => type);
          })
          .toContain(kind);
      };
      await onlyAs("hostssl", "trust");
      expect(await cipherOf("127.0.0.1", "sslmode=allow")).toBe("true");
      expect(await cipherOf("127.0.0.1", "sslmode=prefer")).toBe("true");
      await expect(cipherOf("127.0.0.1", "sslmode=disable")).rejects.toThrow("no encryption");
      await onlyAs("hostnossl", "trust");
      expect(await cipherOf("127.0.0.1", "sslmode=allow")).toBe("false");
      expect(await cipherOf("127.0.0.1", "sslmode=prefer")).toBe("false");
      await expect(cipherOf("127.0.0.1", "sslmode=require")).rejects.toThrow("SSL encryption");
      for (const method of ["scram-sha-256", "md5", "password"]) {
        await onlyAs("hostnossl", method);
        const url = new URL(server.connectionTo("placement"));
        url.search = "sslmode=prefer";
        const open = Database.open(parseConnectionUrl(url.href), { maxRetries: -1 });
        await expect(open, method).rejects.toThrow(DatabaseMisconfigured);
      }
    },
  );
});
