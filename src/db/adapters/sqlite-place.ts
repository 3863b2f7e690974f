import { statSync } from "node:fs";

import { DatabaseUnavailable } from "../../domain/errors.ts";

/** One look does for what a claim asks several times: another program can act between any look and a commit. */
const LOOK_MS = 2;

/**
 * Whether the file that was opened still is the one by its name. Where another one was put there, what is
 * written is lost with the old one, and the old one's write-ahead log would be taken for the new one's.
 */
export class SqlitePlace {
  readonly #file: string;
  #identity: string | undefined;
  #isLost = false;
  #lookedAtMs = -Infinity;

  constructor(file: string) {
    this.#file = file;
  }

  /** @throws DatabaseUnavailable from when it was replaced on: nothing but a restart helps */
  check(): void {
    const now = performance.now();
    if (now - this.#lookedAtMs >= LOOK_MS) {
      this.#lookedAtMs = now;
      const identity = identityOf(this.#file);
      this.#identity ??= identity;
      if (identity !== this.#identity) this.#isLost = true;
    }
    if (!this.#isLost) return;
    throw new DatabaseUnavailable(
      `${this.#file} was replaced or removed while it was served from: stop Stowage, put the file in ` +
        `place, remove ${this.#file}-wal and ${this.#file}-shm if they are not its own, and start again`,
    );
  }
}

function identityOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found && `${found.dev} ${found.ino}`;
}
