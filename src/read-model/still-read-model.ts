import { internalContext } from "../db/change.ts";
import type { Database } from "../db/database.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { positionIfAny } from "./feed-reader.ts";
import { IndexKeeper } from "./index-keeper.ts";
import { readTables } from "./read-records.ts";

const READ = internalContext("read");

/** What is known of one moment. */
export interface StillRecords {
  readonly index: ProviderIndex;
  /** Empty where there is no change feed. */
  readonly position: string;
  readonly consumerSpellings: ReadonlyMap<string, string>;
}

/**
 * The read model of one moment, for whoever asks and goes: what is written afterwards is not followed, and none
 * of our own tables is needed.
 */
export class StillReadModel extends IndexKeeper {
  readonly #records: StillRecords;

  constructor(database: Database, records: StillRecords) {
    super(database);
    this.#records = records;
  }

  /** Reads the tables of Placement, and nothing else where there is nothing else. */
  static async read(database: Database): Promise<StillReadModel> {
    const records = await database.reader(READ, async (tx) => ({
      ...(await readTables(tx)),
      position: await positionIfAny(tx),
    }));
    return new StillReadModel(database, records);
  }

  override get current(): ProviderIndex {
    return this.#records.index;
  }

  override storedConsumer(uuid: string): string {
    return this.#records.consumerSpellings.get(uuid) ?? uuid;
  }

  override fresh(): Promise<ProviderIndex> {
    return Promise.resolve(this.#records.index);
  }

  override position(): Promise<string> {
    return Promise.resolve(this.#records.position);
  }
}
