import type { Config, LoadedConfig } from "../../config/config.ts";
import { isForOperator, messageOf } from "../../config/operator-error.ts";
import { optionLabel, type Option } from "../../config/options.ts";
import type { Log, PreparedLog } from "../../observability/logger.ts";
import { changedOptions } from "./changed-options.ts";
import { describeOptions } from "./logged-options.ts";

/** What can go on with another configuration. */
export interface Reloadable {
  /** @throws an error when that is not possible; then everything stays as it was */
  reload(loaded: LoadedConfig): void | Promise<void>;
  /** Has other processes open their log files by name anew. */
  reopenLogs(): void;
  /** Whether a change of this option has to wait for a restart. */
  isReadAtStart(option: Option): boolean;
}

/** Reads the configuration again, and says in the log what came of it. Never throws. */
export class Reloader {
  readonly #read: () => Promise<LoadedConfig>;
  readonly #service: Reloadable;
  readonly #log: Log;
  #config: Config;

  /** @param config what is in effect now */
  constructor(config: Config, read: () => Promise<LoadedConfig>, service: Reloadable, log: Log) {
    this.#config = config;
    this.#read = read;
    this.#service = service;
    this.#log = log;
  }

  async reload(): Promise<void> {
    // Whatever becomes of the configuration: logrotate wants nothing else.
    this.#log.reopen();
    this.#service.reopenLogs();
    let log: PreparedLog | undefined;
    try {
      const loaded = await this.#read();
      log = this.#log.prepare(loaded.config.default);
      await this.#service.reload(loaded);
      log.use();
      for (const warning of loaded.warnings) this.#log.logger.warn(warning);
      this.#reportChanges(loaded.config);
    } catch (error) {
      log?.discard();
      this.#complain(error);
    }
  }

  #reportChanges(config: Config): void {
    const { logger } = this.#log;
    const changed = changedOptions(this.#config, config);
    this.#config = config;
    const names = changed.length === 0 ? "nothing" : changed.map(optionLabel).join(", ");
    logger.info(`The configuration was read again; changed: ${names}`);
    if (config.default.logOptions) for (const line of describeOptions(config)) logger.debug(line);
    const waiting = changed.filter((option) => this.#service.isReadAtStart(option));
    if (waiting.length === 0) return;
    const labels = waiting.map(optionLabel).join(", ");
    logger.warn(`These options take effect with the next start: ${labels}`);
  }

  #complain(error: unknown): void {
    const err = isForOperator(error) ? undefined : error;
    const reason = messageOf(error);
    this.#log.logger.error({ err }, `The configuration stays as it was: ${reason}`);
  }
}

/**
 * Calls that come while one is running are answered by one more run after it.
 *
 * @param onWait is told of each of them
 */
export function oneAtATime(work: () => Promise<void>, onWait: () => void): () => void {
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
    if (isRunning) onWait();
    else void run();
  };
}
