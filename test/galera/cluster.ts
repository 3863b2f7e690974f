import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import mysql from "mysql2/promise";

import { freePorts } from "../support/free-ports.ts";
import { makeFolder } from "../support/stowage.ts";

const run = promisify(execFile);

/** Where Debian's packages `mariadb-server` and `galera-4` put what a node needs. */
const SERVER = firstThatExists("/usr/sbin/mariadbd", "/usr/bin/mariadbd", "/usr/libexec/mariadbd");
const PROVIDER = firstThatExists(
  "/usr/lib/galera/libgalera_smm.so",
  "/usr/lib64/galera-4/libgalera_smm.so",
);

/** With which a node gets what it has missed. */
const TRANSFER = firstThatExists("/usr/bin/rsync");

/** Why no cluster can be started here; nothing where one can. */
export function whatIsMissing(): string | undefined {
  if (!SERVER) return "there is no mariadbd (Debian's package mariadb-server)";
  if (!PROVIDER) return "there is no libgalera_smm.so (Debian's package galera-4)";
  if (!TRANSFER) return "there is no rsync";
  return undefined;
}

/** The server, and what it starts to transfer data, refuse to be root. */
const isRoot = process.getuid?.() === 0;
const SERVER_USER = isRoot ? "mysql" : userInfo().username;

/** How long a node may take until it takes part. */
const START_TIMEOUT_MS = 60_000;

type Folder = Awaited<ReturnType<typeof makeFolder>>;

interface Ports {
  readonly sql: number;
  readonly group: number;
  readonly transfer: number;
  readonly snapshot: number;
}

/** Three nodes of MariaDB on loopback, with folders and ports of their own. */
export class GaleraCluster {
  readonly nodes: readonly GaleraNode[];
  readonly #folder: Folder;
  #databases = 0;

  private constructor(nodes: readonly GaleraNode[], folder: Folder) {
    this.nodes = nodes;
    this.#folder = folder;
  }

  static async start(size = 3): Promise<GaleraCluster> {
    const folder = await makeFolder();
    if (isRoot) await run("chown", [SERVER_USER, folder.path]);
    const ports = await portsOf(size);
    const peers = ports.map(({ group }) => `127.0.0.1:${group}`).join(",");
    const nodes = ports.map((own, at) => new GaleraNode(`node${at + 1}`, folder.path, own, peers));
    const cluster = new GaleraCluster(nodes, folder);
    try {
      await cluster.#bringUp();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** The first node makes the data; the others begin with a copy, so that nothing is transferred. */
  async #bringUp(): Promise<void> {
    const [first, ...others] = this.nodes;
    if (!first) throw new Error("a cluster has nodes");
    await first.install();
    await first.start({ isFirst: true });
    await first.stop();
    for (const node of others) await first.copyDataTo(node);
    await first.start({ isFirst: true });
    for (const node of others) await node.start();
  }

  node(number: number): GaleraNode {
    const node = this.nodes[number];
    if (!node) throw new Error(`there is no node ${number}`);
    return node;
  }

  /** Makes an empty database; each node has it when this returns. */
  async createDatabase(): Promise<string> {
    const name = `stowage_test_${(this.#databases += 1)}`;
    await this.node(0).query(`create database ${name} character set utf8mb3`);
    for (const node of this.nodes) await node.query("begin");
    return name;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await this.#folder.remove();
  }
}

export class GaleraNode {
  readonly name: string;
  readonly ports: Ports;
  readonly #folder: string;
  readonly #peers: string;
  #process: ChildProcess | undefined;
  #pid: number | undefined;

  constructor(name: string, folder: string, ports: Ports, peers: string) {
    this.name = name;
    this.ports = ports;
    this.#folder = join(folder, name);
    this.#peers = peers;
  }

  /** As `[placement_database] connection` takes it. */
  connection(database: string): string {
    return `mysql+pymysql://root@127.0.0.1:${this.ports.sql}/${database}`;
  }

  async install(): Promise<void> {
    await this.#makeFolder();
    await run("mariadb-install-db", [
      "--no-defaults",
      `--datadir=${this.#data}`,
      `--user=${SERVER_USER}`,
      "--auth-root-authentication-method=normal",
      "--skip-test-db",
      ...SMALL,
    ]);
  }

  async copyDataTo(other: GaleraNode): Promise<void> {
    await other.#makeFolder();
    await run("cp", ["-a", this.#data, other.#data]);
    // Says which node it is; each has to be another.
    await rm(join(other.#data, "gvwstate.dat"), { force: true });
  }

  /** Starts it, and waits until it has what the others have. */
  async start({ isFirst = false } = {}): Promise<void> {
    const position = await this.#recoverPosition();
    this.#spawn([
      ...(isFirst ? ["--wsrep-new-cluster"] : []),
      ...(position === undefined ? [] : [`--wsrep-start-position=${position}`]),
    ]);
    await this.#waitUntilSynced();
  }

  /** Ends it in an orderly way. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** Ends it at once, as a loss of power would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  pause(): void {
    this.#signal("SIGSTOP");
  }

  resume(): void {
    this.#signal("SIGCONT");
  }

  /** Runs a statement that sees all that was committed on other nodes. */
  async query<Row = Record<string, unknown>>(statement: string, database?: string): Promise<Row[]> {
    const connection = await mysql.createConnection({
      host: "127.0.0.1",
      port: this.ports.sql,
      user: "root",
      ...(database !== undefined && { database }),
      connectTimeout: 2000,
    });
    try {
      await connection.query("set session wsrep_sync_wait = 1");
      const [rows] = await connection.query(statement);
      return Array.isArray(rows) ? (rows as Row[]) : [];
    } finally {
      connection.destroy();
    }
  }

  /** A variable of its state, such as `wsrep_cluster_status`. */
  async status(name: string): Promise<string | undefined> {
    const rows = await this.query<{ Value: string }>(`show status like '${name}'`);
    return rows[0]?.Value;
  }

  readLog(): Promise<string> {
    return readFile(this.#log, "utf8");
  }

  get #data(): string {
    return join(this.#folder, "data");
  }

  get #log(): string {
    return join(this.#folder, "error.log");
  }

  get #arguments(): string[] {
    const { sql, group, transfer, snapshot } = this.ports;
    return [
      "--no-defaults",
      `--user=${SERVER_USER}`,
      `--datadir=${this.#data}`,
      `--socket=${join(this.#folder, "sock")}`,
      `--pid-file=${join(this.#folder, "pid")}`,
      `--port=${sql}`,
      "--bind-address=127.0.0.1",
      ...SMALL,
      "--binlog-format=ROW",
      "--innodb-autoinc-lock-mode=2",
      "--wsrep-on=ON",
      `--wsrep-provider=${PROVIDER}`,
      "--wsrep-cluster-name=stowage-test",
      `--wsrep-cluster-address=gcomm://${this.#peers}`,
      `--wsrep-node-name=${this.name}`,
      `--wsrep-node-address=127.0.0.1:${group}`,
      `--wsrep-node-incoming-address=127.0.0.1:${sql}`,
      "--wsrep-sst-method=rsync",
      `--wsrep-sst-receive-address=127.0.0.1:${snapshot}`,
      `--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:${group};` +
        `ist.recv_addr=127.0.0.1:${transfer};gcache.size=32M`,
    ];
  }

  async #makeFolder(): Promise<void> {
    await mkdir(this.#folder);
    if (isRoot) await run("chown", [SERVER_USER, this.#folder]);
  }

  /** Where the data of a node that was killed ends: it needs only what came after. */
  async #recoverPosition(): Promise<string | undefined> {
    const state = await readFile(join(this.#data, "grastate.dat"), "utf8").catch(() => "");
    if (!/seqno:\s+-1/.test(state)) return undefined;
    const log = join(this.#folder, "recovery.log");
    await rm(log, { force: true });
    await run(SERVER ?? "", [...this.#arguments, "--wsrep-recover", `--log-error=${log}`]);
    return /Recovered position:\s*(\S+)/.exec(await readFile(log, "utf8"))?.[1];
  }

  /**
   * A shell watches over the server: it ends the server when the pipe to this process closes, even if
   * nobody here lives to say so.
   */
  #spawn(more: readonly string[]): void {
    const child = spawn(
      "sh",
      ["-c", KEEPER, "sh", SERVER ?? "", ...this.#arguments, `--log-error=${this.#log}`, ...more],
      { stdio: ["pipe", "pipe", "ignore"] },
    );
    this.#process = child;
    child.stdout.once("data", (bytes: Buffer) => (this.#pid = Number(bytes.toString())));
    child.once("exit", () => {
      this.#process = undefined;
      this.#pid = undefined;
    });
  }

  async #waitUntilSynced(): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      if (!this.#process) throw new Error(`${this.name} ended:\n${await this.#endOfLog()}`);
      const state = await this.status("wsrep_local_state_comment").catch(() => undefined);
      if (state === "Synced") return;
      if (performance.now() > deadline) {
        throw new Error(`${this.name} does not take part:\n${await this.#endOfLog()}`);
      }
      await sleep(100);
    }
  }

  async #endOfLog(): Promise<string> {
    return (await this.readLog().catch(() => "")).split("\n").slice(-40).join("\n");
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#process;
    if (!child) return;
    const exit = once(child, "exit");
    this.#signal(signal);
    await exit;
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#pid !== undefined) process.kill(this.#pid, signal);
  }
}

const KEEPER = `
exec 3<&0
"$@" </dev/null >/dev/null 2>&1 3<&- &
server=$!
echo $server
(cat <&3 >/dev/null; kill -9 $server) >/dev/null 2>&1 &
exec 3<&-
wait $server
`;

/** Enough for a test, and ready soon. */
const SMALL = [
  "--innodb-buffer-pool-size=24M",
  "--innodb-log-file-size=16M",
  "--innodb-log-buffer-size=2M",
  "--key-buffer-size=64K",
  "--performance-schema=OFF",
  "--max-connections=100",
  "--table-open-cache=200",
  "--skip-name-resolve",
];

function firstThatExists(...paths: readonly string[]): string | undefined {
  return paths.find((path) => existsSync(path));
}

async function portsOf(nodes: number): Promise<Ports[]> {
  const ports = await freePorts(nodes * 4);
  return Array.from({ length: nodes }, (_, at) => {
    const [sql = 0, group = 0, transfer = 0, snapshot = 0] = ports.slice(at * 4, at * 4 + 4);
    return { sql, group, transfer, snapshot };
  });
}
