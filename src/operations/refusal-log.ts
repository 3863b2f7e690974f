import { internalContext } from "../db/change.ts";
import type { Database } from "../db/database.ts";
import { findLastChanges, insertRefusals, type LastChange } from "../db/refusals.ts";
import { DatabaseUnavailable } from "../domain/errors.ts";
import { matchesRefusal, type NotedRefusal, type RefusalFilter } from "../domain/noted-refusal.ts";
import type { Explained } from "./explaining.ts";

/** So many are kept in memory: some megabytes, were all of them as long as they may be. */
const MAX_KEPT = 1000;
/** So many are written to the database at a time, and so often: a storm of refusals is no storm of writes. */
const MAX_WRITTEN = 20;
const WRITE_EVERY_MS = 1000;
/** So long it may take, even where claims take all there is of the database. */
const DEADLINE_MS = 10_000;
/** Who waits for the end of a process does not wait for this any longer. */
const LAST_WRITE_MS = 1000;

const WRITER = internalContext("refusals");

/** A refusal as it is noted: what is known of it when it is answered. */
interface NewRefusal extends Omit<NotedRefusal, "body"> {
  /** One of a few, to be counted by. */
  readonly reason: string;
  /** The consumer or provider that somebody else had changed before, by UUID. */
  readonly changed?: string;
  /** The body, by what became known of it afterwards. */
  readonly write: (found: FoundLater) => string;
}

export interface FoundLater {
  readonly explained?: Explained | undefined;
  /** Who had changed what was to have another generation. */
  readonly changedBy?: LastChange | undefined;
}

/**
 * What requests did not get: the last of this process in memory, and in the database for all others, written
 * behind (asynchronously, in batches, with load shedding). Nobody waits for it, and what cannot be written is
 * not tried again.
 */
export class RefusalLog {
  readonly #database: Database;
  readonly #onFailure: (error: unknown) => void;
  /** A ring; the oldest is overwritten. */
  readonly #kept: KeptRefusal[] = [];
  #next = 0;
  #unwritten: KeptRefusal[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #hasFailed = false;
  #isClosed = false;
  #dropped = 0;

  /** @param onFailure is told when it cannot be written for a reason of its own, once until it can */
  constructor(database: Database, onFailure: (error: unknown) => void) {
    this.#database = database;
    this.#onFailure = onFailure;
  }

  /** How many this process has not written to the database. */
  get dropped(): number {
    return this.#dropped;
  }

  /** @param explained why, if that is being found out */
  note(refusal: NewRefusal, explained?: Promise<Explained | undefined>): void {
    const kept = new KeptRefusal(refusal);
    this.#kept[this.#next] = kept;
    this.#next = (this.#next + 1) % MAX_KEPT;
    if (!explained) {
      this.#complete(kept, {});
      return;
    }
    explained.then(
      (found) => this.#complete(kept, { explained: found }),
      (error: unknown) => {
        this.#onFailure(error);
        this.#complete(kept, {});
      },
    );
  }

  /** Of those of this process that are still in memory, the newest first. */
  list(filter: RefusalFilter, limit: number): NotedRefusal[] {
    return [...this.#kept.slice(this.#next), ...this.#kept.slice(0, this.#next)]
      .filter(({ facts }) => matchesRefusal(facts, filter))
      .slice(-limit)
      .reverse()
      .map((kept) => kept.noted());
  }

  /** Writes what it still can. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#write(performance.now() + LAST_WRITE_MS);
  }

  #complete(kept: KeptRefusal, found: FoundLater): void {
    kept.learn(found);
    const { metrics } = this.#database;
    const { kind, reason } = kept.facts;
    metrics.increment("stowage_refusals_total", { kind, reason: verdictOf(found) ?? reason });
    if (this.#isClosed || this.#unwritten.length >= MAX_WRITTEN) this.#drop(1);
    else this.#unwritten.push(kept);
    this.#writeLater();
  }

  #writeLater(): void {
    if (this.#isClosed || this.#unwritten.length === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#writing = this.#write(performance.now() + DEADLINE_MS).then(() => {
        this.#timer = undefined;
        this.#writeLater();
      });
    }, WRITE_EVERY_MS).unref();
  }

  async #write(deadlineMs: number): Promise<void> {
    const refusals = this.#unwritten;
    if (refusals.length === 0) return;
    this.#unwritten = [];
    try {
      await this.#database.writer({ ...WRITER, deadlineMs }, async (tx) => {
        const changed = refusals.flatMap(({ facts }) => facts.changed ?? []);
        if (changed.length > 0) {
          const changes = await findLastChanges(tx, [...new Set(changed)]);
          for (const kept of refusals) {
            const changedBy = changes.get(kept.facts.changed ?? "");
            if (changedBy) kept.learn({ changedBy });
          }
        }
        insertRefusals(
          tx,
          refusals.map((kept) => kept.noted()),
        );
      });
      this.#hasFailed = false;
    } catch (error) {
      this.#drop(refusals.length);
      // That the database is away is said elsewhere.
      if (!this.#hasFailed && !(error instanceof DatabaseUnavailable)) this.#onFailure(error);
      this.#hasFailed = true;
    }
  }

  #drop(count: number): void {
    this.#dropped += count;
    for (let number = 0; number < count; number += 1) {
      this.#database.metrics.increment("stowage_refusals_dropped_total", {});
    }
  }
}

/** One that is kept; its text is made when somebody wants it, which of most nobody ever does. */
class KeptRefusal {
  readonly facts: NewRefusal;
  #found: FoundLater = {};
  #noted: NotedRefusal | undefined;

  constructor(facts: NewRefusal) {
    this.facts = facts;
  }

  learn(found: FoundLater): void {
    this.#found = { ...this.#found, ...found };
    this.#noted = undefined;
  }

  noted(): NotedRefusal {
    const { at, kind, requestId, globalRequestId, consumerUuid, projectId, write } = this.facts;
    this.#noted ??= {
      at,
      kind,
      requestId,
      globalRequestId,
      consumerUuid,
      projectId,
      body: write(this.#found),
    };
    return this.#noted;
  }
}

function verdictOf({ explained }: FoundLater): string | undefined {
  if (explained === undefined) return undefined;
  return "unknownNames" in explained ? "unknown_name" : explained.explanation.verdict;
}
