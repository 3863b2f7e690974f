import { listStoredAllocations, type StoredAllocation } from "../db/allocations.ts";
import { findConsumerTypes } from "../db/consumer-types.ts";
import { findConsumers, findExternalIdentities } from "../db/consumers.ts";
import type { ReadTransaction, WriteTransaction } from "../db/transaction.ts";
import type { Claim } from "../domain/claim.ts";
import type { Consumer } from "../domain/consumer.ts";
import { PlacementError } from "../domain/errors.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { ClaimPlan, type ProviderSource } from "./claim-plan.ts";
import { writePlan } from "./claim-writer.ts";
import type { PlannedChanges } from "./planned.ts";
import { toldChanges } from "./told-changes.ts";
import { unknownNames, type ConsumerNames, type KnownNames } from "./known-names.ts";

/** What became of a claim. */
export type ClaimOutcome =
  | { readonly kind: "accepted" }
  | { readonly kind: "refused"; readonly refusal: PlacementError };

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
  readonly allocations: ReadonlyMap<string, readonly StoredAllocation[]>;
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
  readonly #state: ClaimedState;

  private constructor(
    claims: readonly Claim[],
    arePresumed: boolean,
    known: KnownNames,
    state: ClaimedState,
  ) {
    this.claims = claims;
    this.arePresumed = arePresumed;
    this.known = known;
    this.#state = state;
  }

  /**
   * Whether claims are of consumers that are said not to exist, as most are: that need not be looked up,
   * because to make them fails if it is not so. Each has to be made, and named once.
   */
  static canPresume(claims: readonly Claim[]): boolean {
    const claimed = claims.flatMap(({ consumers }) => consumers);
    const uuids = new Set(claimed.map(({ consumerUuid }) => consumerUuid));
    return (
      uuids.size === claimed.length &&
      claimed.every(({ generation, allocations }) => generation === null && allocations.length > 0)
    );
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
    const claimed = claims.flatMap(({ consumers }) => consumers);
    const uuids = arePresumed ? [] : [...new Set(claimed.map(({ consumerUuid }) => consumerUuid))];
    const present = claimed.filter((consumer) => consumer.allocations.length > 0);
    const projectIds = unknownNames(present, known.projects, ({ projectId }) => projectId);
    const userIds = unknownNames(present, known.users, ({ userId }) => userId);
    const typeNames = unknownNames(present, known.types, ({ consumerType }) => consumerType);
    // Asked at once: where statements can be sent without waiting for each other, they are.
    const [allocations, consumers, projects, users, types] = await Promise.all([
      listStoredAllocations(tx, uuids),
      findConsumers(tx, uuids),
      findExternalIdentities(tx, "projects", projectIds),
      findExternalIdentities(tx, "users", userIds),
      findConsumerTypes(tx, typeNames),
    ]);
    return new ClaimBatch(claims, arePresumed, known, {
      consumers,
      allocations: Map.groupBy(allocations, ({ consumerUuid }) => consumerUuid),
      names: { projects, users, types },
    });
  }

  /** Judges the claims, one after the other. To be done anew each time that the transaction is begun. */
  plan(providers: ProviderSource): PlannedBatch {
    const plan = new ClaimPlan(providers);
    for (const { consumerUuid } of this.claims.flatMap(({ consumers }) => consumers)) {
      const held = (this.#state.allocations.get(consumerUuid) ?? []).map((allocation) => ({
        providerId: allocation.resourceProviderId,
        resourceClassId: allocation.resourceClassId,
        used: allocation.used,
      }));
      plan.addConsumer(consumerUuid, this.#state.consumers.get(consumerUuid), held);
    }
    const judgements = this.claims.map((claim) => judge(plan, claim));
    return new PlannedBatch(this, plan, judgements, this.#state.names);
  }
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

  /**
   * Writes what is accepted. The read model follows when the transaction has committed.
   *
   * @throws ConcurrentUpdateDetected, ConsumerExists another process changed a provider or consumer
   *   since it was read; nothing was written, and the claims can be tried again on fresh data
   */
  async write(tx: WriteTransaction, follow: Follow): Promise<BatchOutcome> {
    const { arePresumed, known } = this.#batch;
    const outcomes = this.#judgements.map(({ outcome }) => outcome);
    const refused = outcomes.filter(({ kind }) => kind === "refused");
    if (arePresumed && refused.length > 0) return { kind: "presumption failed" };
    if (refused.length < outcomes.length) {
      for (const judgement of this.#judgements) recordChanges(tx, this.#plan, judgement);
      known.remember(this.#names);
      const { made, apply } = await writePlan(tx, this.#plan, known, arePresumed);
      tx.afterCommit(() => known.remember(made));
      follow(apply);
    }
    return { kind: "written", outcomes };
  }
}

interface Judgement {
  readonly claim: Claim;
  readonly outcome: ClaimOutcome;
  /** Nothing of one that is refused. */
  readonly changes: PlannedChanges | undefined;
}

const ACCEPTED: ClaimOutcome = { kind: "accepted" };

function judge(plan: ClaimPlan, claim: Claim): Judgement {
  try {
    return { claim, outcome: ACCEPTED, changes: plan.add(claim) };
  } catch (error) {
    if (!(error instanceof PlacementError)) throw error;
    return { claim, outcome: { kind: "refused", refusal: error }, changes: undefined };
  }
}

function recordChanges(tx: WriteTransaction, plan: ClaimPlan, { claim, changes }: Judgement): void {
  if (!changes) return;
  const roundRatio = (ratio: number) => tx.adapter.roundRatio(ratio);
  for (const change of toldChanges(plan, changes, roundRatio))
    tx.recordChange(change, claim.context);
}
