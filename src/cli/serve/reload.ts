import { PolicyFileError } from "../../auth/policy/policy-file-error.ts";
import type { Config, LoadedConfig } from "../../config/config.ts";
import { ConfigError } from "../../config/config-error.ts";
import type { Logger } from "../../observability/logger.ts";
import { changedOptions } from "./changed-options.ts";
import { WorkerEnded } from "./worker-ended.ts";

/** What can go on with another configuration. */
export interface Reloadable {
  /** @throws an error when that is not possible; then everything stays as it was */
  reload(loaded: LoadedConfig): void | Promise<void>;
  /** Whether a change of this option, `[group] name`, has to wait for a restart. */
  isReadAtStart(label: string): boolean;
}

/** Reads the configuration again, and says in the log what came of it. Never throws. */
export class Reloader {
  readonly #read: () => Promise<LoadedConfig>;
  readonly #service: Reloadable;
  readonly #logger: Logger;
  #config: Config;

  /** @param config what is in effect now */
  constructor(
    config: Config,
    read: () => Promise<LoadedConfig>,
    service: Reloadable,
    logger: Logger,
  ) {
    this.#config = config;
    this.#read = read;
    this.#service = service;
    this.#logger = logger;
  }

  async reload(): Promise<void> {
    try {
      const loaded = await this.#read();
      await this.#service.reload(loaded);
      for (const warning of loaded.warnings) this.#logger.warn(warning);
      this.#logger.level = loaded.config.default.debug ? "debug" : "info";
      this.#reportChanges(loaded.config);
    } catch (error) {
      this.#complain(error);
    }
  }

  #reportChanges(config: Config): void {
    const changed = changedOptions(this.#config, config);
    this.#config = config;
    const names = changed.length === 0 ? "nothing" : changed.join(", ");
    this.#logger.info(`The configuration was read again; changed: ${names}`);
    const waiting = changed.filter((label) => this.#service.isReadAtStart(label));
    if (waiting.length === 0) return;
    this.#logger.warn(`These options take effect with the next start: ${waiting.join(", ")}`);
  }

  #complain(error: unknown): void {
    const isForOperator =
      error instanceof ConfigError ||
      error instanceof PolicyFileError ||
      error instanceof WorkerEnded;
    const err = isForOperator ? undefined : error;
    const reason = error instanceof Error ? error.message : String(error);
    this.#logger.error({ err }, `The configuration stays as it was: ${reason}`);
  }
}

/** Calls that come while one is running are answered by one more run after it. */
export function oneAtATime(work: () => Promise<void>): () => void {
  let isRunning = false;
  let isWanted = false;
  const run = async () => {
    isRunning = true;
    while (isWanted) {
      isWanted = false;
      await work();
    }
    isRunning = false;
  };
  return () => {
    isWanted = true;
    if (!isRunning) void run();
  };
}
