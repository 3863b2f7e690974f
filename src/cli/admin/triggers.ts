import { ConfigError } from "../../config/config-error.ts";
import type { Config } from "../../config/config.ts";
import { installTriggers, removeTriggers } from "../../db/migrations/triggers.ts";
import { withDatabase } from "../with-database.ts";
import type { Terminal } from "../terminal.ts";

/** `db triggers install`: lets Stowage see what other programs write to its database. */
export async function installDatabaseTriggers(config: Config, terminal: Terminal): Promise<number> {
  const count = await withDatabase(config, terminal, (database) => {
    const { triggerDialect } = database.adapter;
    if (!triggerDialect) throw new ConfigError(ONE_PROCESS);
    return installTriggers(database, triggerDialect);
  });
  terminal.output.write(
    `${count} triggers are installed: what other programs write is seen at once.\n`,
  );
  return 0;
}

/** `db triggers remove`: leaves the tables as Placement knows them. */
export async function removeDatabaseTriggers(config: Config, terminal: Terminal): Promise<number> {
  const count = await withDatabase(config, terminal, async (database) => {
    const { triggerDialect } = database.adapter;
    return triggerDialect ? removeTriggers(database, triggerDialect) : 0;
  });
  terminal.output.write(
    count > 0 ? `${count} triggers are removed.\n` : "There were no triggers.\n",
  );
  return 0;
}

const ONE_PROCESS =
  "[placement_database] connection names an SQLite file, which belongs to one process: " +
  "no other program can write to it at the same time";
