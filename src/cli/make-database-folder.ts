import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

import type { LoadedConfig } from "../config/config.ts";
import { parseConnectionUrl } from "../config/connection-url.ts";

/**
 * Makes the folder of the database that is assumed where nothing is configured: nobody has said where
 * it is to be, so nobody has made it. A folder that the configuration names is the operator's: one
 * that is not there may be misspelt.
 */
export function makeDatabaseFolder({ config, isZeroConfig }: LoadedConfig): void {
  if (!isZeroConfig) return;
  const { connection, connectionParameters } = config.placementDatabase;
  const settings = parseConnectionUrl(connection, connectionParameters);
  if (settings.engine === "sqlite" && settings.file !== ":memory:") {
    mkdirSync(dirname(settings.file), { recursive: true, mode: 0o700 });
  }
}
