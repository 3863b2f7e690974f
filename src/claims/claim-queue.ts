import { setImmediate } from "node:timers/promises";

import { listStoredAllocations } from "../db/allocations.ts";
import type { Database } from "../db/database.ts";
import { OutcomePending } from "../db/errors.ts";
import { databaseTime } from "../db/grants.ts";
import { inTime } from "../db/in-time.ts";
import { claimRepetition, isOutdated, repeating } from "../db/repeating.ts";
import type { WriteTransaction } from "../db/transaction.ts";
import { sizeOfClaim, type Claim, type GrantedClaim } from "../domain/claim.ts";
import { Effort, type RequestContext } from "../domain/request-context.ts";
import {
  ConcurrentUpdateDetected,
  PlacementError,
  ResourceProviderConcurrentUpdateDetected,
  DatabaseUnavailable,
  TransactionConflict,
} from "../domain/errors.ts";
import { ClaimBatch, type BatchOutcome } from "./claim-batch.ts";
import type { IndexKeeper } from "../read-model/index-keeper.ts";
import { Pace } from "../scheduling/pace.ts";
import { endOfLease } from "./granted.ts";
import { KnownNames } from "./known-names.ts";
import type { ClaimOutcome } from "./planned.ts";

/** So many claims share a transaction at most; it bounds what a failed one has to repeat. */
const MAX_BATCH = 100;

/**
 * So many consumers and providers of several claims share one at most: small claims are not to be part of what
 * a large one has to repeat.
 */
const MAX_SIZE = 2000;

interface WaitingClaim {
  readonly claim: Claim;
  readonly accept: (granted: GrantedClaim | undefined) => void;
  readonly refuse: (reason: unknown) => void;
}

/**
 * Group commit: claims that arrive while a transaction is being written go into the next one
 * together, because the commit costs more than all the rest. Each still succeeds or fails on its
 * own, and they are judged in the order in which they came.
 */
export class ClaimQueue {
  readonly #database: Database;
  readonly #keeper: IndexKeeper;
  #known = new KnownNames();
  /** Of which build of the read model these names are. */
  #knownOfBuild = 0;
  #waiting: WaitingClaim[] = [];
  #isWriting = false;

  constructor(database: Database, keeper: IndexKeeper) {
    this.#database = database;
    this.#keeper = keeper;
  }

  /**
   * Resolves when the claim is committed.
   *
   * A batch has the deadline of the claim that came first, and so of the shortest time.
   *
   * @returns what it got, where it had alternatives
   * @throws PlacementError the claim was refused, and nothing of it is left
   */
  async submit(claim: Claim): Promise<GrantedClaim | undefined> {
    const startedAtMs = performance.now();
    try {
      const granted = await new Promise<GrantedClaim | undefined>((accept, refuse) =>
        this.#enqueue({ claim, accept, refuse }),
      );
      this.#count("accepted", startedAtMs);
      return granted;
    } catch (error) {
      this.#count(error instanceof PlacementError ? "refused" : "failed", startedAtMs);
      throw error;
    }
  }

  /**
   * What would become of a claim now. Nothing is written.
   *
   * @throws PlacementError it would be refused
   */
  async rehearse(claim: Claim): Promise<GrantedClaim | undefined> {
    const index = await this.#keeper.fresh(claim.context);
    const { batch, now } = await this.#database.reader(claim.context, async (tx) => ({
      batch: await ClaimBatch.load(tx, [claim], new KnownNames(), false),
      now: claim.grant?.leaseSeconds === undefined ? undefined : await databaseTime(tx),
    }));
    const { outcomes } = await batch.plan(index);
    const [outcome] = outcomes;
    if (outcome?.kind === "refused") throw outcome.refusal;
    const expiresAt = now && endOfLease(claim, now);
    return outcome?.granted && { ...outcome.granted, ...(expiresAt && { expiresAt }) };
  }

  #count(outcome: "accepted" | "refused" | "failed", startedAtMs: number): void {
    const { metrics } = this.#database;
    metrics.increment("stowage_claims_total", { outcome });
    const seconds = (performance.now() - startedAtMs) / 1000;
    metrics.observe("stowage_claim_duration_seconds", {}, seconds);
  }

  #enqueue(waiting: WaitingClaim): void {
    this.#waiting.push(waiting);
    if (!this.#isWriting) void this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      // Requests that can be read already belong into this batch: let the event loop read them.
      await setImmediate();
      const batch = this.#takeBatch();
      if (batch.length > 0) await this.#writeUntilOthersMay(batch);
    }
    this.#isWriting = false;
  }

  /** Until it is written, or until it takes nothing but finding out whether it is. */
  #writeUntilOthersMay(batch: readonly WaitingClaim[]): Promise<void> {
    return new Promise((resolve) => {
      void this.#write(batch, resolve).then(resolve);
    });
  }

  /** Those whose turn comes too late are refused: nobody would hear that they were written. */
  #takeBatch(): WaitingClaim[] {
    const now = performance.now();
    let size = 0;
    const next = this.#waiting.findIndex(({ claim }, place) => {
      size += sizeOfClaim(claim);
      return place > 0 && size > MAX_SIZE;
    });
    const batch = this.#waiting.splice(0, next === -1 ? MAX_BATCH : Math.min(next, MAX_BATCH));
    return batch.filter((waiting) => {
      const { claim, refuse } = waiting;
      const isInTime = (claim.context.deadlineMs ?? Infinity) > now;
      const settled = this.#database.findPending(() => namedBy(claim));
      if (!isInTime) refuse(new DatabaseUnavailable("the claim could not be written in time"));
      else if (settled) void this.#comeBack(waiting, settled);
      return isInTime && !settled;
    });
  }

  /** Has a claim wait aside until that is known which it would rely on. */
  async #comeBack(waiting: WaitingClaim, settled: Promise<void>): Promise<void> {
    try {
      await inTime(settled, waiting.claim.context.deadlineMs ?? Infinity);
      this.#enqueue(waiting);
    } catch (error) {
      waiting.refuse(error);
    }
  }

  /** @param letOthersWrite is called when it is to be found out what became of a commit */
  async #write(
    batch: readonly WaitingClaim[],
    letOthersWrite: () => void = () => {},
  ): Promise<void> {
    try {
      const claims = batch.map(({ claim }) => claim);
      const outcomes = await this.#writeWithRetries(claims, letOthersWrite);
      for (const [position, { accept, refuse }] of batch.entries()) {
        const outcome = outcomes[position];
        if (outcome?.kind === "refused") refuse(outcome.refusal);
        else accept(outcome?.granted);
      }
    } catch (error) {
      const [first] = batch;
      if (error instanceof OutcomePending && batch.length === 1 && first) {
        void this.#comeBack(first, error.settled);
        return;
      }
      // Whatever it is, it must not fail the neighbours of the claim that caused it. But when the
      // database does not take part, each of them would only wait for the same.
      const isHopeless =
        (error instanceof DatabaseUnavailable && !(error instanceof OutcomePending)) ||
        error instanceof TransactionConflict;
      if (batch.length === 1 || isHopeless) for (const { refuse } of batch) refuse(error);
      else for (const waiting of batch) await this.#write([waiting]);
    }
  }

  /** Tries again on fresh data when another process changed a provider or consumer meanwhile. */
  async #writeWithRetries(
    claims: readonly Claim[],
    letOthersWrite: () => void,
  ): Promise<readonly ClaimOutcome[]> {
    const [first] = claims;
    if (!first) return [];
    const effort = new Effort();
    const context = { ...first.context, effort };
    try {
      return await this.#tryUntilWritten(claims, context, letOthersWrite);
    } finally {
      // What was hard for one was hard for all.
      for (const claim of claims) addEffort(claim.context.effort, effort);
    }
  }

  async #tryUntilWritten(
    claims: readonly Claim[],
    context: RequestContext,
    letOthersWrite: () => void,
  ): Promise<readonly ClaimOutcome[]> {
    if (await ClaimBatch.canPresume(claims)) {
      // To presume what can be looked up is no attempt yet.
      const presumed = await this.#try(claims, context, letOthersWrite, true).catch(orNothing);
      if (presumed?.kind === "written") return presumed.outcomes;
    }
    const outcome = await repeating(
      claimRepetition(context.claimAttempts ?? 1),
      () => this.#try(claims, context, letOthersWrite, false),
      { asFinal: () => new ResourceProviderConcurrentUpdateDetected(RETRIES_EXHAUSTED) },
    );
    if (outcome.kind === "written") return outcome.outcomes;
    throw new Error("what was looked up was presumed");
  }

  /** @throws ConcurrentUpdateDetected, ConsumerExists another process was first: all is read anew then */
  async #try(
    claims: readonly Claim[],
    context: RequestContext,
    letOthersWrite: () => void,
    arePresumed: boolean,
  ): Promise<BatchOutcome> {
    try {
      const { serversMet } = this.#database;
      await this.#keeper.fresh(context);
      const build = this.#forgetLostNames();
      const ofKnown = arePresumed ? await ClaimBatch.ofKnown(claims, this.#known) : undefined;
      const read = () =>
        this.#database.reader(context, (tx) =>
          ClaimBatch.load(tx, claims, this.#known, arePresumed),
        );
      const batch = ofKnown ?? (await read());
      const write = async (tx: WriteTransaction) => {
        // What was read may not be on the server that has the transaction, or of another database.
        const isLost = this.#database.serversMet > serversMet || this.#keeper.builds > build;
        if (isLost) throw new ConcurrentUpdateDetected();
        const follow = this.#keeper.beginToFollow(tx);
        const planned = await batch.plan(this.#keeper.current);
        return planned.write(tx, follow);
      };
      const outcome = await this.#database.writer(context, write, letOthersWrite);
      if (outcome.kind === "written") {
        this.#database.metrics.observe("stowage_claim_batch_size", {}, claims.length);
      }
      return outcome;
    } catch (error) {
      if (!isOutdated(error)) throw error;
      this.#database.countRetry(context);
      await this.#doubt(claims);
      throw error;
    }
  }

  /** @returns of which build of the read model the names are that are known now */
  #forgetLostNames(): number {
    const { builds } = this.#keeper;
    if (builds !== this.#knownOfBuild) this.#known = new KnownNames();
    this.#knownOfBuild = builds;
    return builds;
  }

  /** Has read again what the claims name, and what their consumers would give back. */
  async #doubt(claims: readonly Claim[]): Promise<void> {
    const [first] = claims;
    if (!first) return;
    const index = this.#keeper.current;
    const consumers = claims.flatMap((claim) => claim.consumers);
    // Which choice it was that somebody else has changed is not known.
    const choices = claims.flatMap(({ alternatives = [] }) => alternatives.flat());
    const named = new Set<string>();
    for (const { allocations } of [...consumers, ...choices]) {
      for (const { providerUuid } of allocations) named.add(providerUuid);
    }
    for (const { inventories = [] } of claims) {
      for (const { providerUuid } of inventories) named.add(providerUuid);
    }
    const uuids = new Set(consumers.map(({ consumerUuid }) => consumerUuid));
    const held = await this.#database.reader(first.context, (tx) =>
      listStoredAllocations(tx, [...uuids]),
    );
    const pace = new Pace(named.size + held.length);
    for (const uuid of named) {
      const provider = index.get(uuid);
      if (provider) this.#keeper.doubt([provider.id]);
      await pace.rest();
    }
    this.#keeper.doubt(held.map((allocation) => allocation.resourceProviderId));
  }
}

/** The UUIDs of the consumers and providers that a claim names. */
function* namedBy({ consumers, inventories = [] }: Claim): Generator<string> {
  for (const { consumerUuid, allocations } of consumers) {
    yield consumerUuid;
    for (const { providerUuid } of allocations) yield providerUuid;
  }
  for (const { providerUuid } of inventories) yield providerUuid;
}

function addEffort(sum: Effort | undefined, effort: Effort): void {
  if (!sum) return;
  sum.retries += effort.retries;
  sum.rollbacks += effort.rollbacks;
  sum.freshnessMs += effort.freshnessMs;
  sum.databaseMs += effort.databaseMs;
  sum.writingMs += effort.writingMs;
}

const RETRIES_EXHAUSTED = { reason: "retries_exhausted" } as const;

/** What is outdated is tried again. */
function orNothing(error: unknown): undefined {
  if (!isOutdated(error)) throw error;
}
