import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

import type { LoadedConfig } from "../config/config.ts";
import { ConfigError } from "../config/config-error.ts";
import { databaseOf } from "../config/database-of.ts";
import { processUser, messageOf } from "../config/operator-error.ts";

/**
 * Makes the folder of the database that is assumed where nothing is configured: nobody has said where
 * it is to be, so nobody has made it. A folder that the configuration names is the operator's: one
 * that is not there may be misspelt.
 *
 * @throws ConfigError
 */
export function makeDatabaseFolder({ config, isZeroConfig }: LoadedConfig): void {
  if (!isZeroConfig) return;
  const settings = databaseOf(config);
  if (settings.engine === "sqlite" && settings.file !== ":memory:") {
    makeFolder(dirname(settings.file));
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = messageOf(error);
    throw new ConfigError(
      `${processUser()} cannot make ${folder}, the folder of the database (${reason}): make it and give it ` +
        "to that user, or say where the database is in [placement_database] connection",
    );
  }
}
