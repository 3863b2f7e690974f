import type { Writable } from "node:stream";

/** Where a command tells what it has found and what is wrong: that of the process, or of a test. */
export interface Terminal {
  readonly output: Writable;
  readonly problems: Writable;
}

/** What a command line is run in. */
export interface Surroundings extends Terminal {
  readonly environment: NodeJS.ProcessEnv;
}
