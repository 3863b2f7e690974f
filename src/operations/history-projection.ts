import { setTimeout as sleep } from "node:timers/promises";

import { internalContext, type DatabaseContext } from "../db/change.ts";
import {
  beginIfNew,
  insertHistory,
  listUnprojected,
  lockHistoryState,
  readHistoryState,
  writeHistoryState,
  type HistoryState,
} from "../db/history.ts";
import type { Database } from "../db/database.ts";
import type { WriteTransaction } from "../db/transaction.ts";
import type { ChangeRow } from "../domain/change-row.ts";
import { DatabaseUnavailable, TransactionConflict } from "../domain/errors.ts";
import { isUntold, type NewHistoryRow } from "../domain/history.ts";
import { readPosition } from "../read-model/written-position.ts";
import { toHistoryRows } from "./history-rows.ts";

/** So often whoever makes the history looks whether there is something to be made of. */
const LOOK_EVERY_MS = 1000;
/** And so often whoever has seen that another process does, whether that still does. */
const LOOK_AFTER_OTHERS_MS = 5000;
/** So many changes are added in one transaction: some twenty milliseconds of a server. */
const BATCH = 500;
/** The same where others wait for the one session that writes. */
const BATCH_ALONE = 100;
/** So many changes are looked at to see whether there is one to add. */
const FEW = 50;
/** So far behind the state is written though there is nothing to add: what is above it is looked through each time. */
const FLOOR_STEP = 1000;

const PROJECTION = internalContext("history");

/** A piece of work that was done, or was not needed. */
interface Step {
  readonly added: number;
  /** Whether there may be more at once. */
  readonly isMore: boolean;
  readonly state: HistoryState;
}

/** What history is made with. */
interface ProjectionParts {
  readonly database: Database;
  /** Seconds that one step may take. */
  readonly databaseTimeout: number;
  /** How far the feed is settled, as a text; see `Service.position`. */
  readonly position: (context: DatabaseContext) => Promise<string>;
  /** The UUID of a provider that is there. */
  readonly uuidOf: (providerId: number) => string | undefined;
}

/**
 * Makes the history of the change feed, behind the requests (a projection with a checkpoint). What it has been made
 * of is in the database, written in the transaction that adds to it, under a lock: so each change is in it once,
 * whoever makes it, and a process that dies leaves nothing half done. Which process does is no matter; mostly it is
 * the one that did it last, and the others look now and then whether it still does.
 */
export class HistoryProjection {
  readonly #parts: ProjectionParts;

  constructor(parts: ProjectionParts) {
    this.#parts = parts;
  }

  /**
   * Adds all that was committed before the call, also what another process was about to add.
   *
   * @param isAll whether it is noted as well of changes that have no history that they are done with
   * @returns how many changes it has added
   */
  async catchUp(
    context: DatabaseContext = PROJECTION,
    { isAll = false }: { readonly isAll?: boolean } = {},
  ): Promise<number> {
    return (await this.#addAll(context, { floorStep: isAll ? 1 : FLOOR_STEP })).added;
  }

  /** Does so every second, or looks whether somebody else does, until `signal` is aborted. */
  async run(signal: AbortSignal, report: (error: unknown) => void): Promise<void> {
    let hasFailed = false;
    let known: number | undefined;
    while (!signal.aborted) {
      let waitMs = LOOK_EVERY_MS;
      try {
        const { steps } = await this.#readState();
        if (known !== undefined && steps !== known) {
          known = steps;
          waitMs = LOOK_AFTER_OTHERS_MS * (1 + Math.random());
        } else {
          known = (await this.#addAll(PROJECTION, { signal })).steps;
        }
        hasFailed = false;
      } catch (error) {
        const isPassing =
          error instanceof DatabaseUnavailable || error instanceof TransactionConflict;
        if (!isPassing && !hasFailed) report(error);
        hasFailed = !isPassing;
      }
      await sleep(waitMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  async #addAll(
    context: DatabaseContext,
    { floorStep = FLOOR_STEP, signal }: { floorStep?: number; signal?: AbortSignal } = {},
  ): Promise<{ readonly added: number; readonly steps: number }> {
    const { database } = this.#parts;
    let added = 0;
    for (;;) {
      const { floor } = readPosition(await this.#parts.position(this.#timed(context)));
      const seen = await this.#look(context, floor, floorStep);
      if (!seen.isNeeded) return { added, steps: seen.steps };
      const step = await database.background(this.#timed(context), (tx) => this.#add(tx, floor));
      added += step.added;
      database.metrics.increment("stowage_history_changes_total", {}, step.added);
      if (!step.isMore || signal?.aborted) return { added, steps: step.state.steps };
    }
  }

  /** Each step has its own time, unless somebody waits for all of them. */
  #timed(context: DatabaseContext): DatabaseContext {
    return { deadlineMs: performance.now() + this.#parts.databaseTimeout * 1000, ...context };
  }

  #readState(): Promise<HistoryState> {
    return this.#parts.database.readOnce(this.#timed(PROJECTION), readHistoryState);
  }

  /** Whether there is something to write, without a lock. */
  async #look(
    context: DatabaseContext,
    floor: number,
    floorStep: number,
  ): Promise<{ readonly isNeeded: boolean; readonly steps: number }> {
    return this.#parts.database.reader(this.#timed(context), async (tx) => {
      const written = await readHistoryState(tx);
      const state = await beginIfNew(tx, written);
      const rows = await listUnprojected(tx, state, FEW);
      const isFar = rows.length === FEW || floor - state.floor >= floorStep;
      const isNeeded = state !== written || isFar || (await this.#hasNews(state, rows));
      return { isNeeded, steps: state.steps };
    });
  }

  /** @param settled all changes up to this id are visible or never will be */
  async #add(tx: WriteTransaction, settled: number): Promise<Step> {
    const batch = tx.adapter.isShared ? BATCH : BATCH_ALONE;
    const state = await beginIfNew(tx, await lockHistoryState(tx));
    const rows = await listUnprojected(tx, state, batch);
    const added = await toHistoryRows(rows, this.#parts.uuidOf);
    insertHistory(tx, added);
    const isMore = rows.length === batch;
    const upTo = isMore ? Math.min(settled, rows.at(-1)!.id) : settled;
    const written = await writeHistoryState(tx, {
      ...state,
      floor: Math.max(state.floor, upTo),
      doubtedBefore: doubtOf(state, rows, added),
    });
    return { added: rows.length, isMore, state: written };
  }

  async #hasNews(state: HistoryState, rows: readonly ChangeRow[]): Promise<boolean> {
    const added = await toHistoryRows(rows, this.#parts.uuidOf);
    if (added.length > 0) return true;
    return doubtOf(state, rows, added)?.getTime() !== state.doubtedBefore?.getTime();
  }
}

/** Up to when it is not known what was changed. */
function doubtOf(
  { doubtedBefore }: HistoryState,
  rows: readonly ChangeRow[],
  added: readonly NewHistoryRow[],
): Date | undefined {
  const times = [
    ...rows.flatMap(({ kind, createdAt }) => (kind === "everything" ? (createdAt ?? []) : [])),
    ...added.flatMap((row) => (isUntold(row) ? row.at : [])),
  ];
  return times.reduce<Date | undefined>(
    (last, at) => (last && last > at ? last : at),
    doubtedBefore,
  );
}
