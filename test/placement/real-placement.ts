import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { Client } from "../support/client.ts";
import { freePort } from "../support/free-ports.ts";
import { makeFolder, writeConfig } from "../support/stowage.ts";
import { endProcess, isUwsgiInstalled, startUwsgi } from "../support/uwsgi.ts";

const MANAGE = "/usr/bin/placement-manage";

/** Whether Debian's packages are there; `scripts/install-for-tests.sh` installs them. */
export const isPlacementInstalled = existsSync(MANAGE) && isUwsgiInstalled;

/** OpenStack Placement, the original. */
export interface RealPlacement {
  readonly client: Client;
  /** Of the process that the others are children of. */
  readonly pid: number;
  /** The URL of its database as its configuration has it. */
  readonly connection: string;
  /** Runs `placement-manage`; returns what it prints. */
  manage(...words: string[]): Promise<string>;
  stop(): Promise<void>;
}

export interface PlacementSettings {
  readonly processes?: number;
  /** The database was made by Stowage, whose schema may be newer than what the package knows. */
  readonly hasSchema?: boolean;
  /** Of the group `[placement]`. */
  readonly options?: Readonly<Record<string, string | number | boolean>>;
}

/**
 * Makes the schema as Placement does, and serves.
 *
 * @param connection of an empty database, or of one whose schema is Placement's already
 * @param parameters to add to the URL of a server's
 */
export async function startPlacement(
  connection: string,
  parameters: Readonly<Record<string, string>> = {},
  { processes = 3, options = {}, hasSchema = false }: PlacementSettings = {},
): Promise<RealPlacement> {
  const folder = await makeFolder();
  const url = sqlAlchemyUrl(connection, parameters);
  await writeConfig(folder.path, {
    api: { auth_strategy: "noauth2" },
    placement: options,
    placement_database: { connection: url },
  });
  const manage = async (...words: string[]) => {
    const config = join(folder.path, "placement.conf");
    const { stdout } = await promisify(execFile)(MANAGE, ["--config-file", config, ...words]);
    return stdout;
  };
  const environment = { OS_PLACEMENT_CONFIG_DIR: folder.path };
  if (!hasSchema) {
    await manage("db", "sync");
    await writeStandardTraits(environment);
  }
  const port = await freePort();
  const server = await startUwsgi({
    name: "Placement",
    module: "placement.wsgi:init_application()",
    port,
    path: "/",
    logFile: join(folder.path, "placement.log"),
    environment,
    processes,
  });
  const client = new Client(`http://127.0.0.1:${port}`, 8);
  return {
    client,
    pid: server.pid ?? 0,
    connection: url,
    manage,
    async stop() {
      client.close();
      await endProcess(server);
      await folder.remove();
    },
  };
}

/**
 * Each process of Placement writes those that are missing when it starts; of two that do so at the same
 * time in SQLite, one fails.
 */
async function writeStandardTraits(environment: Readonly<Record<string, string>>): Promise<void> {
  const program = "from placement import wsgi; wsgi.init_application()";
  const options = { env: { ...process.env, ...environment } };
  await promisify(execFile)("/usr/bin/python3", ["-c", program], options);
}

function sqlAlchemyUrl(connection: string, parameters: Readonly<Record<string, string>>): string {
  if (connection.startsWith("sqlite:")) return connection;
  const driver = connection.startsWith("mysql") ? "mysql+pymysql" : "postgresql+psycopg2";
  const query = new URLSearchParams(parameters).toString();
  return connection.replace(/^\w+/, driver) + (query && `?${query}`);
}
