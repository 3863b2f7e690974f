import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError } from "./config-error.ts";
import { describeConnection, parseConnectionUrl } from "./connection-url.ts";

function problemOf(url: string, connectionParameters = ""): string {
  try {
    parseConnectionUrl(url, connectionParameters);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error(`${url} was accepted`);
}

describe("SQLite", () => {
  test.each([
    ["sqlite:////var/lib/placement.sqlite", "/var/lib/placement.sqlite"],
    ["sqlite:///placement.sqlite", "placement.sqlite"],
    ["sqlite+pysqlite:////a%20b#c.db?check_same_thread=false", "/a%20b#c.db"],
    ["sqlite:///C:\\data\\placement.db", "C:\\data\\placement.db"],
    ["sqlite:///:memory:", ":memory:"],
    ["sqlite://", ":memory:"],
    ["sqlite:///", ":memory:"],
  ])("%s is the file %s", (url, file) => {
    expect(parseConnectionUrl(url)).toMatchObject({ engine: "sqlite", file });
  });

  test("the time to wait for another process may be given", () => {
    expect(parseConnectionUrl("sqlite:///x?timeout=5")).toMatchObject({ timeoutSeconds: 5 });
    expect(parseConnectionUrl("sqlite:///x", "timeout=5")).toMatchObject({ timeoutSeconds: 5 });
  });

  test("a host, another driver and the URIs of SQLite are errors", () => {
    expect(problemOf("sqlite://var/lib/x")).toContain("an SQLite database has no host");
    expect(problemOf("sqlite+pysqlcipher:///x")).toContain("the driver of sqlite+pysqlcipher");
    expect(problemOf("sqlite:///file:x?uri=true")).toContain("the parameter uri is not supported");
  });
});

describe("MySQL and MariaDB", () => {
  test.each(["mysql", "mysql+pymysql", "mysql+mysqlconnector", "mariadb", "mariadb+pymysql"])(
    "%s is the engine mysql",
    (scheme) => {
      expect(
        parseConnectionUrl(`${scheme}://placement:s%40cr%3At@db.example.org/placement`),
      ).toEqual({
        engine: "mysql",
        user: "placement",
        password: "s@cr:t",
        host: "db.example.org",
        port: 3306,
        socketPath: undefined,
        localAddress: undefined,
        database: "placement",
        connectTimeoutSeconds: undefined,
        tls: undefined,
        parameters: {},
      });
    },
  );

  test("a password may hold anything but an @ as it is", () => {
    expect(parseConnectionUrl("mysql://u:a/b:c?d#e%f+g@h/d")).toMatchObject({
      password: "a/b:c?d#e%f+g",
      host: "h",
    });
  });

  test("an IPv6 address stands in brackets", () => {
    expect(parseConnectionUrl("mysql://u@[fd00::1]:3307/d")).toMatchObject({
      host: "fd00::1",
      port: 3307,
    });
  });

  test("parameters of the URL and of connection_parameters are put together", () => {
    const connection = parseConnectionUrl(
      "mysql+pymysql://u@h/d?charset=utf8&unix_socket=/run/mysqld/mysqld.sock&use_unicode=1",
      "connect_timeout=5&bind_address=192.0.2.1&program_name=",
    );
    expect(connection).toMatchObject({
      socketPath: "/run/mysqld/mysqld.sock",
      connectTimeoutSeconds: 5,
      localAddress: "192.0.2.1",
      parameters: { charset: "utf8", use_unicode: "1", connect_timeout: "5" },
    });
  });

  const OPEN = { verifiesCertificate: false, verifiesHostname: false };
  const CHAIN = { verifiesCertificate: true, verifiesHostname: false };
  const FULL = { verifiesCertificate: true, verifiesHostname: true };

  test.each([
    ["ssl_ca=/ca.pem", { caFile: "/ca.pem", ...FULL }],
    ["ssl_ca=/ca.pem&ssl_check_hostname=false", CHAIN],
    ["ssl_ca=/ca.pem&ssl_verify_cert=false", OPEN],
    ["ssl_cert=/c.pem&ssl_key=/k.pem", { certFile: "/c.pem", keyFile: "/k.pem", ...OPEN }],
    ["ssl_verify_cert=true&ssl_ca=/ca.pem&ssl_verify_identity=no", CHAIN],
    ["ssl_verify_cert=no", OPEN],
    ["ssl_verify_identity=false", OPEN],
    ["ssl_check_hostname=false", OPEN],
    ["ssl_verify_identity=true", FULL],
    ["ssl_cipher=AES256", { ciphers: "AES256", ...OPEN }],
    ["ssl_mode=PREFERRED", { isRequired: false, ...OPEN }],
    ["ssl_mode=REQUIRED", { isRequired: true, ...OPEN }],
    ["ssl_mode=VERIFY_CA&ssl_ca=/ca.pem", CHAIN],
    ["ssl_mode=VERIFY_IDENTITY", FULL],
  ])("%s encrypts", (query, tls) => {
    expect(parseConnectionUrl(`mysql://u@h/d?${query}`)).toMatchObject({
      tls: { isRequired: true, ...tls },
    });
  });

  test.each(["", "ssl_disabled=true&ssl_ca=/ca.pem", "ssl_mode=DISABLED"])(
    "%j does not encrypt",
    (query) => {
      expect(parseConnectionUrl(`mysql://u@h/d?${query}`)).toMatchObject({ tls: undefined });
    },
  );

  test("an option file fills in what the URL leaves open", () => {
    const directory = mkdtempSync(join(tmpdir(), "stowage-mysql-"));
    const file = join(directory, "my.cnf");
    writeFileSync(
      file,
      `!includedir /etc/my.cnf.d
[client]
user = other
[placement]
# a comment
user = "placement"
PASSWORD='p#w;d'
host = db
port = 3307
database = ignored
skip-name-resolve
bind-address = 192.0.2.1
default-character-set = utf8mb4
ssl-ca=/ca.pem
`,
    );
    const query = `read_default_file=${file}`;
    expect(
      parseConnectionUrl(`mysql+pymysql:///d?${query}&read_default_group=placement`),
    ).toMatchObject({
      user: "placement",
      password: "p#w;d",
      host: "db",
      port: 3307,
      database: "d",
      localAddress: "192.0.2.1",
      tls: { caFile: "/ca.pem", verifiesCertificate: true },
    });
    expect(parseConnectionUrl(`mysql://me@h/d?${query}`)).toMatchObject({ user: "me", host: "h" });
    rmSync(directory, { recursive: true });
    expect(problemOf(`mysql://me@h/d?${query}`)).toContain(
      `the option file ${file} cannot be read: ENOENT`,
    );
  });
});

describe("PostgreSQL", () => {
  test.each(["postgresql", "postgresql+psycopg2", "postgresql+asyncpg", "postgres"])(
    "%s is the engine postgres",
    (scheme) => {
      expect(parseConnectionUrl(`${scheme}://u:p@h:5433/placement`)).toEqual({
        engine: "postgres",
        user: "u",
        password: "p",
        host: "h",
        port: 5433,
        socketPath: undefined,
        database: "placement",
        applicationName: undefined,
        connectTimeoutSeconds: undefined,
        options: undefined,
        tls: {
          isRequired: false,
          caFile: undefined,
          certFile: undefined,
          keyFile: undefined,
          ciphers: undefined,
          verifiesCertificate: false,
          verifiesHostname: false,
        },
        parameters: {},
      });
    },
  );

  test("libpq's parameters outrank the URL's parts, and a host may be a socket's directory", () => {
    expect(
      parseConnectionUrl(
        "postgresql://u:p@h/d?host=/run/postgresql&port=5433&user=v&password=q&dbname=e&application_name=a&connect_timeout=3&options=-c%20x%3Dy&client_encoding=utf8",
      ),
    ).toMatchObject({
      user: "v",
      password: "q",
      socketPath: "/run/postgresql",
      port: 5433,
      database: "e",
      applicationName: "a",
      connectTimeoutSeconds: 3,
      options: "-c x=y",
      tls: undefined,
    });
    expect(parseConnectionUrl("postgresql://placement@")).toMatchObject({
      socketPath: "/var/run/postgresql",
      database: "placement",
    });
  });

  test.each([
    ["require", { isRequired: true, verifiesCertificate: false, verifiesHostname: false }],
    ["require&sslrootcert=/ca.pem", { caFile: "/ca.pem", verifiesCertificate: true }],
    [
      "verify-ca&sslrootcert=/ca.pem",
      { isRequired: true, verifiesCertificate: true, verifiesHostname: false },
    ],
    ["verify-full", { isRequired: true, verifiesCertificate: true, verifiesHostname: true }],
    ["allow", { isRequired: false, isLastResort: true }],
    ["prefer&sslcert=/c&sslkey=/k", { isRequired: false, certFile: "/c", keyFile: "/k" }],
  ])("sslmode=%s encrypts", (mode, tls) => {
    expect(parseConnectionUrl(`postgresql://u@h/d?sslmode=${mode}`)).toMatchObject({ tls });
  });

  test("sslmode=disable does not encrypt", () => {
    expect(parseConnectionUrl("postgresql://u@h/d?sslmode=disable")).toMatchObject({
      tls: undefined,
    });
  });

  test("several hosts are an error", () => {
    expect(problemOf("postgresql://u@/d?host=a,b")).toContain("more than one host");
    expect(problemOf("postgresql://u@/d?host=a&host=b")).toContain("host is given more than once");
  });
});

describe("what is not supported is said", () => {
  test.each([
    ["", "is not a database URL"],
    ["placement.sqlite", "is not a database URL"],
    ["mysql:/u@h/d", "is not a database URL"],
    ["mysql://u:a/b@[fd00::1/d", "is not a database URL"],
    ["mysql://u@[fd00::1]x/d", "is not a database URL"],
    ["oracle+cx://u@h/d", "the database oracle+cx is not supported; use sqlite, mysql"],
    ["mysql://u:p@ss@h/d", "an @ in the password must be written as %40"],
    ["mysql://u@h:x/d", "the port must be a whole number"],
    ["mysql://u@h:65536/d", "the port must be a whole number"],
    ["mysql://u@h", "must end with the database's name"],
    ["postgresql://h", "must end with the database's name"],
    ["mysql://u@h/d?init_command=x&foo=y", "the parameter init_command, foo is not supported"],
    [
      "mysql://u@h/d?init_command=SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE; x",
      "the parameter init_command is not supported",
    ],
    ["mysql://u@h/d?ssl_mode=VERIFY_CA", "ssl_mode=VERIFY_CA needs ssl_ca"],
    ["mysql://u@h/d?ssl_verify_cert=true", "ssl_verify_cert needs ssl_ca"],
    ["postgresql://u@h/d?sslmode=verify-ca", "sslmode=verify-ca needs sslrootcert"],
    ["mysql://u@h/d?plugin=other", "the parameter plugin is not supported"],
    ["postgresql://u@h/d?sslcrl=x", "the parameter sslcrl is not supported"],
    ["postgresql://u@h/d?sslmode=full", "sslmode must be one of disable, allow, prefer"],
    ["mysql://u@h/d?ssl_disabled=maybe", "ssl_disabled must be true or false"],
    ["mysql://u@h/d?connect_timeout=-1", "connect_timeout must be a whole number"],
  ])("%j: %s", (url, problem) => {
    expect(problemOf(url)).toMatch(/^\[placement_database\] connection: /);
    expect(problemOf(url)).toContain(problem);
  });

  test("Placement's own isolation level is no matter of ours", () => {
    for (const level of ["READ COMMITTED", "repeatable read"]) {
      const url = `mysql://u@h/d?init_command=SET+SESSION+TRANSACTION+ISOLATION+LEVEL+${level}`;
      expect(parseConnectionUrl(url)).toMatchObject({ engine: "mysql", database: "d" });
    }
  });

  test.each(["mysql://u@h/d", "postgresql://u@h/d", "sqlite:////x"])(
    "DevStack's plugin that counts queries is no matter of ours: %s",
    (url) => {
      const expected = parseConnectionUrl(url);
      expect(parseConnectionUrl(`${url}?plugin=dbcounter`)).toEqual({
        ...expected,
        parameters: { plugin: "dbcounter" },
      });
    },
  );

  test("a parameter that comes from two places is an error", () => {
    expect(problemOf("mysql://u@h/d?charset=utf8", "charset=utf8mb4")).toContain(
      "charset is given more than once",
    );
  });

  test("no message holds the password", () => {
    const password = fc.string({ minLength: 8, unit: "grapheme-ascii" });
    const rest = fc.constantFrom("@h/d?x=1", "@h:x/d", "@", "@h", "", "@ss@h/d");
    fc.assert(
      fc.property(password, rest, (secret, tail) => {
        fc.pre(!/^\d*[?/]|[@%]/.test(secret));
        for (const scheme of ["mysql", "postgresql", "sqlite", "oracle"]) {
          try {
            parseConnectionUrl(`${scheme}://u:${secret}${tail}`);
          } catch (error) {
            expect(error).toBeInstanceOf(ConfigError);
            expect(String(error)).not.toContain(secret);
          }
        }
      }),
    );
  });
});

test.each([
  ["sqlite:////var/lib/placement.sqlite", "sqlite:////var/lib/placement.sqlite"],
  ["sqlite://", "sqlite in memory"],
  ["mysql+pymysql://u:secret@[fd00::1]/d?charset=utf8", "mysql://u@[fd00::1]:3306/d"],
  ["mysql://u:secret@h/d?unix_socket=/run/m.sock", "mysql://u@/run/m.sock/d"],
  ["postgresql://u:secret@h:1/d", "postgres://u@h:1/d"],
  ["postgresql://u:secret@/d", "postgres://u@/var/run/postgresql/d"],
  ["mysql://h/d", "mysql://h:3306/d"],
])("%s is described as %s", (url, description) => {
  expect(describeConnection(parseConnectionUrl(url))).toBe(description);
});
