import { setTimeout as sleep } from "node:timers/promises";

import { openOtherProgram, type OtherProgram } from "./other-program.ts";

/**
 * A session that holds rows of resource providers, so that what waits for them comes to stand in a known
 * order, and one that looks who waits.
 */
export class RowLock {
  readonly #holder: OtherProgram;
  readonly #watcher: OtherProgram;
  readonly #waiting: string;

  private constructor(holder: OtherProgram, watcher: OtherProgram, waiting: string) {
    this.#holder = holder;
    this.#watcher = watcher;
    this.#waiting = waiting;
  }

  /** @param connection of a database on a server, as `TestDatabase` has it */
  static async open(connection: string): Promise<RowLock> {
    const waiting = connection.startsWith("mysql") ? WAITING_ON_MYSQL : WAITING_ON_POSTGRES;
    return new RowLock(
      await openOtherProgram(connection),
      await openOtherProgram(connection),
      waiting,
    );
  }

  /**
   * Sends requests one after the other while the rows are held, each when the one before waits (or has
   * been answered), then lets go of the rows.
   *
   * @returns the answers, in the order of the requests
   */
  async lineUp<Answer>(
    uuids: readonly string[],
    requests: readonly (() => Promise<Answer>)[],
  ): Promise<Answer[]> {
    const list = uuids.map((uuid) => `'${uuid}'`).join(", ");
    await this.#holder.run("BEGIN");
    await this.#holder.run(
      `SELECT id FROM resource_providers WHERE uuid IN (${list}) ORDER BY id FOR UPDATE`,
    );
    const answers: Promise<Answer>[] = [];
    let answered = 0;
    try {
      for (const request of requests) {
        const answer = request();
        answers.push(answer);
        void answer.finally(() => (answered += 1)).catch(() => undefined);
        while ((await this.#countWaiting()) + answered < answers.length) await sleep(LOOK_AGAIN_MS);
      }
    } finally {
      await this.#holder.run("COMMIT");
    }
    return Promise.all(answers);
  }

  async close(): Promise<void> {
    await this.#holder.close();
    await this.#watcher.close();
  }

  async #countWaiting(): Promise<number> {
    const [row] = await this.#watcher.run(this.#waiting);
    return Number(row?.["waiting"]);
  }
}

/** InnoDB tells those who ask more often what it told them before. */
const LOOK_AGAIN_MS = 150;

const WAITING_ON_POSTGRES = `
  SELECT count(*) AS waiting FROM pg_stat_activity
  WHERE datname = current_database() AND wait_event_type = 'Lock'`;

const WAITING_ON_MYSQL = `
  SELECT count(*) AS waiting FROM information_schema.innodb_trx AS t
  JOIN information_schema.processlist AS p ON p.id = t.trx_mysql_thread_id
  WHERE t.trx_state = 'LOCK WAIT' AND p.db = database()`;
