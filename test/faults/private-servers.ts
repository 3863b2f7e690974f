import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, readFileSync } from "node:fs";
import { chown, writeFile } from "node:fs/promises";
import { join } from "node:path";

import mysql from "mysql2/promise";
import { Client } from "pg";

import { test } from "vitest";

import { freePort } from "../support/free-ports.ts";
import { makeFolder } from "../support/stowage.ts";

// Database servers that a test has to itself, and may kill, pause and misconfigure: with a data
// folder and a port of their own, on loopback.

type Row = Readonly<Record<string, unknown>>;

/** A session of an administrator, past the service. */
export interface Session {
  query(text: string): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export interface PrivateServer {
  readonly port: number;
  /** As `[placement_database] connection` takes it, of a user without privileges. */
  connectionTo(database: string, port?: number): string;
  createDatabase(name: string): Promise<void>;
  /** @param database one of the server's own if none is given */
  openSession(database?: string): Promise<Session>;
  /** A session like those of the service: they are counted together. */
  openUserSession(): Promise<Session>;
  /** Ends it as a power cut would. */
  kill(): Promise<void>;
  /** Begins anew after `kill`, and waits until it serves. */
  start(): Promise<void>;
  /** Keeps what it has now, to go back to. */
  keepCopy(): Promise<void>;
  /** Ends it, and begins again with what it had when the copy was made. */
  goBack(): Promise<void>;
  pause(): void;
  resume(): void;
  /** Refuses the service's writes, or takes them again. */
  setReadOnly(isReadOnly: boolean): Promise<void>;
  /** Stops it and removes all that it left. */
  remove(): Promise<void>;
}

export interface PrivateEngine {
  readonly name: string;
  /** @param certificate of the server; without one, nothing is encrypted */
  start(certificate?: Certificate): Promise<PrivateServer>;
}

/** Texts in PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

const CONNECTIONS = 30;
const USER = "placement";

/** The engines of which the programs are on this machine. */
export const PRIVATE_ENGINES: readonly PrivateEngine[] = [postgres(), mariadb()].flatMap(
  (engine) => engine ?? [],
);

function postgres(): PrivateEngine | undefined {
  const [folder] = globSync("/usr/lib/postgresql/*/bin").sort().reverse();
  const user = unprivileged("postgres");
  if (folder === undefined || user === undefined) return missing("PostgreSQL");
  return {
    name: "PostgreSQL",

    start: (certificate) => PostgresServer.create(folder, user, certificate),
  };
}

function mariadb(): PrivateEngine | undefined {
  const [program, installer] = ["/usr/sbin/mariadbd", "/usr/bin/mariadb-install-db"] as const;
  const user = unprivileged("mysql");
  if (!existsSync(program) || !existsSync(installer) || user === undefined) {
    return missing("MariaDB");
  }
  return {
    name: "MariaDB",

    start: (certificate) => MariadbServer.create(program, installer, user, certificate),
  };
}

/** A file without any tests would be a failure. */
function missing(name: string): undefined {
  test.skip(`without faults of ${name}: it is not installed on this machine`);
}

interface SystemUser {
  readonly uid?: number;
  readonly gid?: number;
}

/** Who runs a server that refuses to be run by root; this user if it is another one. */
function unprivileged(name: string): SystemUser | undefined {
  if (process.getuid?.() !== 0) return {};
  try {
    const id = (flag: string) => Number(execFileSync("id", [flag, name], { encoding: "utf8" }));
    return { uid: id("-u"), gid: id("-g") };
  } catch {
    return undefined;
  }
}

abstract class ServerProcess implements PrivateServer {
  readonly folder: string;
  readonly port: number;
  protected readonly tls: TlsFiles | undefined;
  readonly #user: SystemUser;
  readonly #removeFolder: () => Promise<void>;
  #process: ChildProcess | undefined;

  constructor({ folder, port, tls, user, remove }: Place) {
    this.tls = tls;
    this.folder = folder;
    this.port = port;
    this.#user = user;
    this.#removeFolder = remove;
  }

  protected abstract command(): readonly [program: string, ...parameters: string[]];
  abstract openSession(database?: string): Promise<Session>;
  abstract openUserSession(): Promise<Session>;
  abstract connectionTo(database: string, port?: number): string;
  abstract createDatabase(name: string): Promise<void>;
  abstract setReadOnly(isReadOnly: boolean): Promise<void>;

  async start(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const [program, ...parameters] = this.command();
      const child = spawn(program, parameters, {
        ...this.#user,
        stdio: "ignore",
        cwd: this.folder,
      });
      this.#process = child;
      if (await this.#serves(child)) return;
      // Of a server that was killed, a part may still be about to notice.
      if (attempt === 10) throw new Error(`${program} does not start in ${this.folder}`);
      await wait(200);
    }
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const family = this.#family();
    const ended = once(child, "exit");
    for (const pid of family) signal(pid, "SIGKILL");
    await ended;
  }

  async keepCopy(): Promise<void> {
    await this.kill();
    execFileSync("cp", ["-a", join(this.folder, "data"), join(this.folder, "copy")]);
    await this.start();
  }

  async goBack(): Promise<void> {
    // MariaDB tells of its start in whole seconds only, and no other server lives for less than one.
    await wait(1000);
    await this.kill();
    execFileSync("rm", ["-r", join(this.folder, "data")]);
    execFileSync("mv", [join(this.folder, "copy"), join(this.folder, "data")]);
    await this.start();
  }

  pause(): void {
    for (const pid of this.#family()) signal(pid, "SIGSTOP");
  }

  resume(): void {
    for (const pid of this.#family()) signal(pid, "SIGCONT");
  }

  async remove(): Promise<void> {
    await this.kill();
    await this.#removeFolder();
  }

  /** The server, and the processes that it has begun, itself first. */
  #family(): number[] {
    const pid = this.#process?.pid;
    if (pid === undefined) return [];
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return [pid, ...children.split(" ").filter(Boolean).map(Number)];
  }

  async #serves(child: ChildProcess): Promise<boolean> {
    while (child.exitCode === null && child.signalCode === null) {
      try {
        await (await this.openSession()).close();
        return true;
      } catch {
        await wait(50);
      }
    }
    return false;
  }
}

class PostgresServer extends ServerProcess {
  readonly #programs: string;

  private constructor(place: Place, programs: string) {
    super(place);
    this.#programs = programs;
  }

  static async create(
    programs: string,
    user: SystemUser,
    certificate: Certificate | undefined,
  ): Promise<PostgresServer> {
    const place = await findPlace(user, certificate);
    const data = join(place.folder, "data");
    execFileSync(
      join(programs, "initdb"),
      ["-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"],
      { ...user, stdio: "ignore", cwd: place.folder },
    );
    const server = new PostgresServer(place, programs);
    await server.start();
    const session = await server.openSession();
    await session.query(`create user ${USER}`);
    await session.close();
    return server;
  }

  protected command() {
    const settings = {
      port: this.port,
      listen_addresses: "127.0.0.1",
      unix_socket_directories: this.folder,
      shared_buffers: "16MB",
      // Three are kept for administrators.
      max_connections: CONNECTIONS + 3,
      superuser_reserved_connections: 3,
      fsync: "off", // as NO_SYNC of the other one
      // In the folder, so that it goes with it.
      dynamic_shared_memory_type: "mmap",
      ...(this.tls && {
        ssl: "on",
        ssl_cert_file: this.tls.certFile,
        ssl_key_file: this.tls.keyFile,
      }),
    };
    const parameters = Object.entries(settings).flatMap(([name, value]) => [
      "-c",
      `${name}=${value}`,
    ]);
    return [
      join(this.#programs, "postgres"),
      "-D",
      join(this.folder, "data"),
      ...parameters,
    ] as const;
  }

  connectionTo(database: string, port = this.port): string {
    return `postgresql+psycopg2://${USER}@127.0.0.1:${port}/${database}?sslmode=disable`;
  }

  async createDatabase(name: string): Promise<void> {
    const session = await this.openSession();
    await session.query(`create database ${name} owner ${USER}`);
    await session.close();
  }

  async setReadOnly(isReadOnly: boolean): Promise<void> {
    const session = await this.openSession();
    await session.query(`alter system set default_transaction_read_only = ${isReadOnly}`);
    await session.query("select pg_reload_conf()");
    await session.close();
  }

  openUserSession(): Promise<Session> {
    return this.openSession("postgres", USER);
  }

  async openSession(database = "postgres", user = "postgres"): Promise<Session> {
    const connectionString = `postgresql://${user}@127.0.0.1:${this.port}/${database}`;
    const client = new Client({ connectionString });
    client.on("error", () => undefined);
    await client.connect();
    return {
      query: async (text) => (await client.query<Row>(text)).rows,
      close: () => client.end(),
    };
  }
}

/** Processes are killed, not machines: what the system has been given outlives them. */
const NO_SYNC = [
  "--innodb-flush-log-at-trx-commit=2",
  "--innodb-flush-method=nosync",
  "--sync-frm=OFF",
];

class MariadbServer extends ServerProcess {
  readonly #program: string;

  private constructor(place: Place, program: string) {
    super(place);
    this.#program = program;
  }

  static async create(
    program: string,
    installer: string,
    user: SystemUser,
    certificate: Certificate | undefined,
  ): Promise<MariadbServer> {
    const place = await findPlace(user, certificate);
    execFileSync(
      installer,
      [
        "--no-defaults",
        `--datadir=${join(place.folder, "data")}`,
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-log-bin",
        ...NO_SYNC,
      ],
      { ...user, stdio: "ignore", cwd: place.folder },
    );
    const server = new MariadbServer(place, program);
    await server.start();
    const session = await server.openSession();
    await session.query(`create user ${USER}@'%'`);
    await session.close();
    return server;
  }

  protected command() {
    return [
      this.#program,
      "--no-defaults",
      `--datadir=${join(this.folder, "data")}`,
      `--socket=${join(this.folder, "socket")}`,
      `--pid-file=${join(this.folder, "pid")}`,
      `--port=${this.port}`,
      "--bind-address=127.0.0.1",
      "--skip-name-resolve",
      "--innodb-buffer-pool-size=32M",
      "--innodb-log-file-size=16M",
      ...NO_SYNC,
      `--max-connections=${CONNECTIONS}`,
      ...(this.tls ? [`--ssl-cert=${this.tls.certFile}`, `--ssl-key=${this.tls.keyFile}`] : []),
    ] as const;
  }

  connectionTo(database: string, port = this.port): string {
    return `mysql+pymysql://${USER}@127.0.0.1:${port}/${database}`;
  }

  async createDatabase(name: string): Promise<void> {
    const session = await this.openSession();
    await session.query(`create database ${name} character set utf8mb3`);
    await session.query(`grant all on ${name}.* to ${USER}@'%'`);
    await session.close();
  }

  async setReadOnly(isReadOnly: boolean): Promise<void> {
    const session = await this.openSession();
    await session.query(`set global read_only = ${isReadOnly}`);
    await session.close();
  }

  openUserSession(): Promise<Session> {
    return this.openSession(undefined, USER);
  }

  async openSession(database?: string, user = "root"): Promise<Session> {
    const connection = await mysql.createConnection({
      host: "127.0.0.1",
      port: this.port,
      user,
      ...(database !== undefined && { database }),
    });
    connection.on("error", () => undefined);
    return {
      query: async (text) => {
        const [rows] = await connection.query(text);
        return Array.isArray(rows) ? (rows as Row[]) : [];
      },
      close: () => connection.end(),
    };
  }
}

interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

interface Place {
  readonly folder: string;
  readonly port: number;
  readonly tls: TlsFiles | undefined;
  readonly user: SystemUser;
  readonly remove: () => Promise<void>;
}

async function findPlace(user: SystemUser, certificate: Certificate | undefined): Promise<Place> {
  const folder = await makeFolder();
  await give(folder.path, user);
  const tls = certificate && (await writeCertificate(folder.path, user, certificate));
  return { folder: folder.path, port: await freePort(), tls, user, remove: () => folder.remove() };
}

/** Where only the server can read them, as it demands. */
async function writeCertificate(
  folder: string,
  user: SystemUser,
  { certificate, key }: Certificate,
): Promise<TlsFiles> {
  const files = { certFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem") };
  await writeFile(files.certFile, certificate);
  await writeFile(files.keyFile, key, { mode: 0o600 });
  for (const file of Object.values(files)) await give(file, user);
  return files;
}

async function give(path: string, { uid, gid }: SystemUser): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}

function wait(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, timeMs));
}
