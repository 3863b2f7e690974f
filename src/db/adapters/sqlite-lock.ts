import { existsSync, realpathSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

import { DatabaseUnavailable } from "../../domain/errors.ts";
import { isLocked, translateOpenError } from "./sqlite-errors.ts";

/**
 * The right to serve from a database file, which one process has at a time: what another one writes
 * would not get into its read model. Reading and migrating the file need no such right.
 *
 * It is a lock on a file beside the database, as SQLite locks files: the system takes it back when
 * the process ends, however it does.
 */
export class SqliteLock {
  readonly #database: DatabaseSync;

  /** @throws DatabaseUnavailable another process has it or may have, or the file cannot be made */
  constructor(file: string) {
    refuseOtherNames(file);
    this.#database = openLockFile(file);
    try {
      this.#database.exec("begin exclusive");
    } catch (error) {
      this.#database.close();
      if (!isLocked(error)) throw translateOpenError(error, file);
      throw new DatabaseUnavailable(
        `another process serves from ${file}: an SQLite file belongs to one process; ` +
          "several can share a database server",
      );
    }
  }

  release(): void {
    this.#database.close();
  }
}

/** Whoever comes by another name would miss the lock and, worse, the write-ahead log. */
function refuseOtherNames(file: string): void {
  if ((statSync(file, { throwIfNoEntry: false })?.nlink ?? 1) === 1) return;
  throw new DatabaseUnavailable(
    `${file} has more than one name (hard links), by which another process may use it: ` +
      "serve from a copy, or remove the other names",
  );
}

function openLockFile(file: string): DatabaseSync {
  try {
    return new DatabaseSync(`${followLink(file)}-stowage-lock`, { timeout: 0 });
  } catch (error) {
    throw translateOpenError(error, file);
  }
}

/** The file by the same name for all, even if some come by a link. */
function followLink(file: string): string {
  return existsSync(file) ? realpathSync(file) : file;
}
