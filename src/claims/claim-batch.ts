import { listStoredAllocations, type StoredAllocation } from "../db/allocations.ts";
import { insertClaimReceipts } from "../db/claim-receipts.ts";
import { databaseTime, endGrants, endLeases, insertGrants } from "../db/grants.ts";
import { findConsumerTypes } from "../db/consumer-types.ts";
import { findConsumers, findExternalIdentities } from "../db/consumers.ts";
import type { ReadTransaction, WriteTransaction } from "../db/transaction.ts";
import { sizeOfClaim, type Claim } from "../domain/claim.ts";
import type { Consumer } from "../domain/consumer.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { Pace, portionsOf, sorted, Steps } from "../scheduling/pace.ts";
import type { ProviderSource } from "./claim-capacity.ts";
import { judgeChoices } from "./alternatives.ts";
import { grantsOf, withLease } from "./granted.ts";
import { ClaimPlan } from "./claim-plan.ts";
import { writePlan } from "./claim-writer.ts";
import type { ClaimOutcome, Judgement, PlannedAllocation } from "./planned.ts";
import { toldChanges } from "./told-changes.ts";
import { unknownNames, type ConsumerNames, type KnownNames } from "./known-names.ts";

/** What became of a batch: of its claims, in their order. */
export type BatchOutcome =
  | { readonly kind: "written"; readonly outcomes: readonly ClaimOutcome[] }
  /**
   * Nothing was written, as one is refused that was judged on what is presumed: why it has to be refused may
   * show when its consumer is looked up.
   */
  | { readonly kind: "presumption failed" };

/** What the database has of all that claims name, besides providers. */
interface ClaimedState {
  /** By UUID. */
  readonly consumers: ReadonlyMap<string, Consumer>;
  /** By the UUID of the consumer. */
  readonly allocations: ReadonlyMap<string, readonly PlannedAllocation[]>;
  /** Those that are there and were not known to be. */
  readonly names: ConsumerNames;
}

/** Gives what is to be done to the read model to whoever does it after the commit. */
type Follow = (apply: (index: ProviderIndex) => void) => void;

/**
 * Claims that are written in one transaction (group commit): all that can be accepted, each judged on what the
 * ones before it leave. README.md has the states that it goes through.
 */
export class ClaimBatch {
  readonly claims: readonly Claim[];
  /** Whether nobody has looked for the consumers, because they are said to be new. */
  readonly arePresumed: boolean;
  readonly known: KnownNames;
  /** What it is worked on with: a batch may be of one claim of 100,000 consumers. */
  readonly pace: Pace;
  readonly #state: ClaimedState;

  private constructor(
    claims: readonly Claim[],
    arePresumed: boolean,
    known: KnownNames,
    pace: Pace,
    state: ClaimedState,
  ) {
    this.claims = claims;
    this.arePresumed = arePresumed;
    this.known = known;
    this.pace = pace;
    this.#state = state;
  }

  /**
   * Whether claims are of consumers that are said not to exist, as most are: that need not be looked up,
   * because to make them fails if it is not so. Each has to be made, and named once.
   */
  static canPresume(claims: readonly Claim[]): Promise<boolean> {
    return new Pace(sizeOf(claims)).run(canPresume(claims));
  }

  /**
   * A batch for which nothing has to be read, as most are: its consumers are presumed to be new.
   *
   * @returns undefined where some of their names are not known
   */
  static async ofKnown(
    claims: readonly Claim[],
    known: KnownNames,
  ): Promise<ClaimBatch | undefined> {
    const pace = new Pace(sizeOf(claims));
    const consumers = claims.flatMap((claim) => claim.consumers);
    const { projects, users, types } = await pace.run(unknownNames(consumers, known));
    if (projects.length > 0 || users.length > 0 || types.length > 0) return undefined;
    return new ClaimBatch(claims, true, known, pace, NOTHING_READ);
  }

  /**
   * Reads what claims are about. It may have changed by the time they are written: then a guard
   * misses. So it is read before the transaction that writes, which is kept short.
   *
   * @param known names that need not be looked up; learns those that are read and made
   * @param arePresumed whether to take the consumers for new, see `canPresume`
   */
  static async load(
    tx: ReadTransaction,
    claims: readonly Claim[],
    known: KnownNames,
    arePresumed: boolean,
  ): Promise<ClaimBatch> {
    const size = sizeOf(claims);
    const pace = new Pace(size);
    const claimed = claims.flatMap(({ consumers }) => consumers);
    const uuids = arePresumed ? [] : await pace.run(consumersOf(claims));
    const present = claimed.filter((consumer) => consumer.allocations.length > 0);
    const names = await pace.run(unknownNames(present, known));
    // Asked at once: where statements can be sent without waiting for each other, they are.
    const [stored, consumers, projects, users, types] = await Promise.all([
      listStoredAllocations(tx, uuids),
      findConsumers(tx, uuids),
      findExternalIdentities(tx, "projects", names.projects),
      findExternalIdentities(tx, "users", names.users),
      findConsumerTypes(tx, names.types),
    ]);
    const allocations = await pace.run(byConsumer(stored));
    const state = { consumers, allocations, names: { projects, users, types } };
    return new ClaimBatch(claims, arePresumed, known, new Pace(size + stored.length), state);
  }

  /** Judges the claims, one after the other. To be done anew each time that the transaction is begun. */
  async plan(providers: ProviderSource): Promise<PlannedBatch> {
    const plan = new ClaimPlan(providers);
    const judgements = await this.pace.run(this.#judge(plan));
    return new PlannedBatch(this, plan, judgements, this.#state.names);
  }

  *#judge(plan: ClaimPlan): Generator<void, readonly Judgement[]> {
    const steps = new Steps();
    const { consumers, allocations } = this.#state;
    for (const { consumerUuid } of this.claims.flatMap((claim) => claim.consumers)) {
      const held = allocations.get(consumerUuid) ?? NOTHING;
      plan.addConsumer(consumerUuid, consumers.get(consumerUuid), held);
      if (steps.mayPause()) yield;
    }
    const judgements: Judgement[] = [];
    for (const claim of this.claims) judgements.push(yield* judge(plan, claim));
    return judgements;
  }
}

const NOTHING: readonly PlannedAllocation[] = [];
const NOTHING_READ: ClaimedState = {
  consumers: new Map(),
  allocations: new Map(),
  names: { projects: new Map(), users: new Map(), types: new Map() },
};

function sizeOf(claims: readonly Claim[]): number {
  return claims.reduce((sum, claim) => sum + sizeOfClaim(claim), 0);
}

function* canPresume(claims: readonly Claim[]): Generator<void, boolean> {
  const steps = new Steps();
  const uuids = new Set<string>();
  for (const { consumers } of claims) {
    for (const { consumerUuid, generation, allocations } of consumers) {
      if (generation !== null || allocations.length === 0 || uuids.has(consumerUuid)) return false;
      uuids.add(consumerUuid);
      if (steps.mayPause()) yield;
    }
  }
  return true;
}

/** The UUIDs of the consumers of claims, each once. */
function* consumersOf(claims: readonly Claim[]): Generator<void, string[]> {
  const steps = new Steps();
  const uuids = new Set<string>();
  for (const { consumers } of claims) {
    for (const { consumerUuid } of consumers) {
      uuids.add(consumerUuid);
      if (steps.mayPause()) yield;
    }
  }
  return [...uuids];
}

function* byConsumer(
  stored: readonly StoredAllocation[],
): Generator<void, Map<string, PlannedAllocation[]>> {
  const steps = new Steps();
  const allocations = new Map<string, PlannedAllocation[]>();
  for (const { consumerUuid, resourceProviderId: providerId, resourceClassId, used } of stored) {
    const held = allocations.get(consumerUuid) ?? [];
    allocations.set(consumerUuid, held);
    held.push({ providerId, resourceClassId, used });
    if (steps.mayPause()) yield;
  }
  return allocations;
}

/** A batch of which each claim is judged, and nothing is written yet. */
class PlannedBatch {
  readonly #batch: ClaimBatch;
  readonly #plan: ClaimPlan;
  readonly #judgements: readonly Judgement[];
  readonly #names: ConsumerNames;

  constructor(
    batch: ClaimBatch,
    plan: ClaimPlan,
    judgements: readonly Judgement[],
    names: ConsumerNames,
  ) {
    this.#batch = batch;
    this.#plan = plan;
    this.#judgements = judgements;
    this.#names = names;
  }

  /** What becomes of the claims if nothing is in the way. */
  get outcomes(): readonly ClaimOutcome[] {
    return this.#judgements.map(({ outcome }) => outcome);
  }

  /**
   * Writes what is accepted. The read model follows when the transaction has committed.
   *
   * @throws ConcurrentUpdateDetected, ConsumerExists another process changed a provider or consumer
   *   since it was read; nothing was written, and the claims can be tried again on fresh data
   */
  async write(tx: WriteTransaction, follow: Follow): Promise<BatchOutcome> {
    const { arePresumed, known, pace } = this.#batch;
    const { outcomes } = this;
    const refused = outcomes.filter(({ kind }) => kind === "refused");
    if (arePresumed && refused.length > 0) return { kind: "presumption failed" };
    if (refused.length < outcomes.length) {
      await pace.run(recordChanges(tx, this.#plan, this.#judgements));
      known.remember(this.#names);
      const { made, apply } = await writePlan(tx, this.#plan, known, { arePresumed, pace });
      const judgements = await this.#writeGrants(tx);
      insertClaimReceipts(tx, receiptsOf(judgements));
      tx.afterCommit(() => known.remember(made));
      follow(apply);
      return { kind: "written", outcomes: judgements.map(({ outcome }) => outcome) };
    }
    return { kind: "written", outcomes };
  }

  /**
   * What is granted besides allocations, and what is taken back of that. A lease begins now, by the clock of
   * the database.
   *
   * @throws LeaseRenewed, GangExists
   * @returns the judgements, which tell when leases end
   */
  async #writeGrants(tx: WriteTransaction): Promise<readonly Judgement[]> {
    const hasLease = this.#judgements.some(({ claim }) => claim.grant?.leaseSeconds !== undefined);
    const now = hasLease ? await databaseTime(tx) : tx.now;
    const judgements = hasLease
      ? this.#judgements.map((judgement) => withLease(judgement, now))
      : this.#judgements;
    const { pace } = this.#batch;
    const { released, expired, granted } = await pace.run(grantsOf(judgements, now));
    for (const { consumers, before } of expired) endLeases(tx, consumers, before);
    for (const portion of portionsOf(await pace.run(sorted(released, byText)), PORTION)) {
      endGrants(tx, portion);
      await tx.sendMuch();
      await pace.rest();
    }
    insertGrants(tx, granted);
    return judgements;
  }
}

/** So many consumers that are released are noted in one piece. */
const PORTION = 200;

function byText(left: string, right: string): number {
  return left < right ? -1 : 1;
}

function* judge(plan: ClaimPlan, claim: Claim): Generator<void, Judgement> {
  const judged = yield* judgeChoices(plan, claim);
  return "refusal" in judged
    ? { claim, outcome: { kind: "refused", refusal: judged.refusal }, changes: undefined }
    : { claim, outcome: { kind: "accepted", granted: judged.granted }, changes: judged.changes };
}

/** What is kept of the answers to claims, by the key. */
function receiptsOf(judgements: readonly Judgement[]) {
  return judgements
    .flatMap(({ claim: { receiptOf }, outcome }) => {
      const granted = outcome.kind === "accepted" ? outcome.granted : undefined;
      return granted && receiptOf ? [receiptOf(granted)] : [];
    })
    .toSorted((left, right) => (left.key < right.key ? -1 : 1));
}

function* recordChanges(
  tx: WriteTransaction,
  plan: ClaimPlan,
  judgements: readonly Judgement[],
): Generator<void, void> {
  const steps = new Steps();
  const roundRatio = (ratio: number) => tx.adapter.roundRatio(ratio);
  for (const { claim, changes } of judgements) {
    if (!changes) continue;
    for (const change of toldChanges(plan, changes, roundRatio)) {
      tx.recordChange(change, claim.context);
      if (steps.mayPause()) yield;
    }
  }
}
