import type { Config } from "../config/config.ts";
import type { Database } from "../db/database.ts";
import { listNames } from "../db/names.ts";
import { listProviderIds, loadProviderRecords } from "../db/resource-providers.ts";
import type { DatabaseContext, ReadTransaction, WriteTransaction } from "../db/transaction.ts";
import { ProviderIndex } from "../index/provider-index.ts";
import { ClaimQueue } from "./claim-queue.ts";

/** So many providers are read at once while the read model is built. */
const BUILD_CHUNK = 1000;

/** Where operations find what they work on: the database, which is the truth, and the read model. */
export class Service {
  readonly config: Config;
  readonly database: Database;
  readonly claims: ClaimQueue;
  readonly #index: ProviderIndex;

  constructor(config: Config, database: Database, index = new ProviderIndex()) {
    this.config = config;
    this.database = database;
    this.#index = index;
    this.claims = new ClaimQueue(database, index);
  }

  /** Builds the read model from the tables; before that, the service must not be used. */
  async loadIndex(context: DatabaseContext): Promise<void> {
    await this.database.reader(context, async (tx) => {
      await loadNames(tx, this.#index);
      const ids = await listProviderIds(tx);
      for (let start = 0; start < ids.length; start += BUILD_CHUNK) {
        const records = await loadProviderRecords(tx, ids.slice(start, start + BUILD_CHUNK));
        for (const record of records) this.#index.put(record);
      }
    });
  }

  /** The read model with every change that was committed before the call. */
  async freshIndex(): Promise<ProviderIndex> {
    // The embedded database has one process, whose read model follows each commit at once.
    return this.#index;
  }

  /** Waits for the transactions under way, then lets go of the database. */
  close(): Promise<void> {
    return this.database.close();
  }

  read<Result>(
    context: DatabaseContext,
    work: (tx: ReadTransaction, index: ProviderIndex) => Promise<Result>,
  ): Promise<Result> {
    return this.database.reader(context, (tx) => work(tx, this.#index));
  }

  /**
   * Writes, and lets the read model follow: what a transaction recorded as changed is read again
   * before its commit, and put into the read model right after it.
   */
  write<Result>(
    context: DatabaseContext,
    work: (tx: WriteTransaction, index: ProviderIndex) => Promise<Result>,
  ): Promise<Result> {
    return this.database.writer(context, async (tx) => {
      const result = await work(tx, this.#index);
      await this.#followAfterCommit(tx);
      return result;
    });
  }

  async #followAfterCommit(tx: WriteTransaction): Promise<void> {
    const ids = new Set(tx.changes.flatMap(({ providerId }) => providerId ?? []));
    const records = await loadProviderRecords(tx, [...ids]);
    for (const { id } of records) ids.delete(id);
    const names = tx.changes.some(({ providerId }) => providerId === undefined)
      ? await readNames(tx)
      : undefined;
    tx.afterCommit(() => {
      for (const id of ids) this.#index.remove(id);
      for (const record of records) this.#index.put(record);
      if (names) setNames(this.#index, names);
    });
  }
}

type Names = Awaited<ReturnType<typeof readNames>>;

async function readNames(tx: ReadTransaction) {
  return {
    resourceClasses: await listNames(tx, "resource_classes"),
    traits: await listNames(tx, "traits"),
  };
}

function setNames(index: ProviderIndex, names: Names): void {
  index.resourceClasses.replaceAll(names.resourceClasses);
  index.traits.replaceAll(names.traits);
}

async function loadNames(tx: ReadTransaction, index: ProviderIndex): Promise<void> {
  setNames(index, await readNames(tx));
}
