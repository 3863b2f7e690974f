import type { Config } from "../config/config.ts";
import type { Database } from "../db/database.ts";
import { ProviderGenerationConflict, TransactionConflict } from "../domain/errors.ts";
import type { OutcomePending } from "../db/errors.ts";
import { inTime } from "../db/in-time.ts";
import { findProviderByUuid } from "../db/resource-providers.ts";
import { PENDING, repeating, SURPRISE } from "../db/repeating.ts";
import type { DatabaseContext } from "../db/change.ts";
import type { ReadTransaction, WriteTransaction } from "../db/transaction.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { ClaimQueue } from "../claims/claim-queue.ts";
import { LeaseRenewals } from "../claims/lease-renewals.ts";
import { EmptyAnswers } from "./empty-answers.ts";
import { HistoryProjection } from "./history-projection.ts";
import { ReadinessProbe } from "./readiness.ts";
import { RefusalLog } from "./refusal-log.ts";
import { FeedTail } from "../read-model/feed-tail.ts";
import { IndexKeeper, type KeeperReports } from "../read-model/index-keeper.ts";
import type { StillReadModel } from "../read-model/still-read-model.ts";

interface ServiceReports extends KeeperReports {
  /** What requests did not get cannot be written down, for another reason than that the database is away. */
  readonly onUnwrittenRefusals?: (error: unknown) => void;
}

/** Where operations find what they work on: the database, which is the truth, and the read model. */
export class Service {
  readonly config: Config;
  readonly database: Database;
  readonly claims: ClaimQueue;
  readonly leases: LeaseRenewals;
  readonly readiness: ReadinessProbe;
  /** What requests did not get. */
  readonly refusals: RefusalLog;
  /** Why queries found nothing. */
  readonly emptyAnswers: EmptyAnswers;
  /** The end of the change feed, for all who listen to it. */
  readonly tail: FeedTail;
  readonly history: HistoryProjection;
  /** Requests under way by their idempotency keys; settled when they have ended. */
  readonly keysUnderWay = new Map<string, Promise<void>>();
  readonly #keeper: IndexKeeper;

  private constructor(
    config: Config,
    database: Database,
    keeper: IndexKeeper,
    tail: FeedTail,
    { onUnwrittenRefusals = () => {} }: ServiceReports = {},
  ) {
    this.config = config;
    this.database = database;
    this.#keeper = keeper;
    this.tail = tail;
    this.readiness = new ReadinessProbe(database, (context) => keeper.fresh(context));
    this.claims = new ClaimQueue(database, keeper);
    this.leases = new LeaseRenewals(database);
    this.refusals = new RefusalLog(database, onUnwrittenRefusals);
    this.history = new HistoryProjection({
      database,
      databaseTimeout: config.stowage.databaseTimeout,
      position: (context) => this.position(context),
      uuidOf: (id) => keeper.current.getById(id)?.uuid,
    });
    this.emptyAnswers = new EmptyAnswers(() => keeper.current, config.stowage.maxSearchEffort);
  }

  /** Builds the read model of a database whose schema is the newest. */
  static async start(
    config: Config,
    database: Database,
    reports: ServiceReports = {},
  ): Promise<Service> {
    const tail = new FeedTail(database, (context) => keeper.fresh(context));
    const keeper = new IndexKeeper(database, { ...reports, onNews: () => tail.wake() });
    await keeper.build();
    return new Service(config, database, keeper, tail, reports);
  }

  /** Of one moment, to be asked only. */
  static still(config: Config, database: Database, model: StillReadModel): Service {
    const tail = new FeedTail(database, () => model.fresh());
    return new Service(config, database, model, tail);
  }

  /** The read model as far as it is known here: what the tail of the feed has told is in it. */
  get currentIndex(): ProviderIndex {
    return this.#keeper.current;
  }

  /** The read model with every change that was committed before the call. */
  freshIndex(context: DatabaseContext): Promise<ProviderIndex> {
    return this.#keeper.fresh(context);
  }

  /**
   * The same, with a provider also where another program has made it without a word in the feed.
   *
   * @param uuid of the provider, in any spelling
   */
  async freshIndexWith(context: DatabaseContext, uuid: string): Promise<ProviderIndex> {
    const index = await this.freshIndex(context);
    if (!this.database.adapter.isShared || index.findRow(uuid) !== undefined) return index;
    const provider = await this.database.readOnce(context, (tx) => findProviderByUuid(tx, uuid));
    if (!provider) return index;
    this.#keeper.doubt([provider.id]);
    return this.freshIndex(context);
  }

  /**
   * How far the change feed tells of what is committed, as clients are told: what is read afterwards has all
   * of that.
   */
  position(context: DatabaseContext): Promise<string> {
    return this.#keeper.position(context);
  }

  /** A consumer as the database spells its UUID, by the canonical spelling. */
  storedConsumer(uuid: string): string {
    return this.#keeper.storedConsumer(uuid);
  }

  /** To be called every minute: looks for changes that nobody has told of. */
  checkIndex(context: DatabaseContext): Promise<void> {
    return this.#keeper.check(context);
  }

  /** Runs a function that sees one consistent snapshot of the tables. */
  async read<Result>(
    context: DatabaseContext,
    work: (tx: ReadTransaction, index: ProviderIndex) => Promise<Result>,
  ): Promise<Result> {
    const index = await this.#keeper.fresh(context);
    return this.database.reader(context, (tx) => work(tx, index));
  }

  /**
   * Writes, and lets the read model follow: what a transaction recorded as changed is read again
   * before its commit, and put into the read model right after it.
   *
   * What a foreign key refuses although it was looked for, another process has deleted since, or
   * begun to use: then it is done again, on a fresh read model, and finds that out.
   *
   * @throws TransactionConflict others were first again and again
   */
  async write<Result>(
    context: DatabaseContext,
    work: (tx: WriteTransaction, index: ProviderIndex) => Promise<Result>,
  ): Promise<Result> {
    const write = async () => {
      await this.#keeper.fresh(context);
      return this.#writeOnce(context, work);
    };
    const waitForOutcome = ({ settled }: OutcomePending) =>
      inTime(settled, context.deadlineMs ?? Infinity);
    return repeating(SURPRISE, () => repeating(PENDING, write, { beforeNext: waitForOutcome }), {
      asFinal: (error) => new TransactionConflict(error.message, { cause: error }),
    });
  }

  #writeOnce<Result>(
    context: DatabaseContext,
    work: (tx: WriteTransaction, index: ProviderIndex) => Promise<Result>,
  ): Promise<Result> {
    return this.database.writer(context, async (tx) => {
      const index = this.#keeper.current;
      try {
        const result = await work(tx, index);
        await this.#keeper.followAfterCommit(tx);
        return result;
      } catch (error) {
        if (error instanceof ProviderGenerationConflict) this.#doubtStale(index, error);
        throw error;
      }
    });
  }

  /** Whoever was told the generation that the read model has would be told the same again and again. */
  #doubtStale(index: ProviderIndex, { provider, actual }: ProviderGenerationConflict): void {
    const row = index.findRow(provider);
    if (row === undefined || index.generationOf(row) === actual) return;
    this.#keeper.doubt([index.idOf(row)]);
  }

  /** Waits for the transactions under way, then lets go of the database. */
  async close(): Promise<void> {
    this.tail.stop();
    this.#keeper.stop();
    await this.refusals.close();
    await this.database.close();
  }
}
