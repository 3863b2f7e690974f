import { randomUUID } from "node:crypto";

import type { DatabaseContext } from "../db/change.ts";
import { endForgottenGang, findGang } from "../db/grants.ts";
import { releaseOf, type Claim, type GrantedClaim } from "../domain/claim.ts";
import { GangExists } from "../domain/claim-errors.ts";
import { ConcurrentUpdateDetected, ConsumerGenerationConflict } from "../domain/errors.ts";
import { AggregateNotFound } from "../domain/fit-errors.ts";
import { GangNotFound, NoPlaceForGang, type GangMember, type GangRule } from "../domain/gang.ts";
import type { Preference } from "../domain/preference.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "../search/budget.ts";
import type { PlacedMember } from "../search/gang-hosts.ts";
import { placeGang, type GangOutcome } from "../search/gang.ts";
import {
  claimWhatIsFound,
  describeConsumer,
  type Claimed,
  type ClaimTerms,
} from "./claim-attempts.ts";
import { findTrees } from "./host-trees.ts";
import { oncePerKey, type OnceAnswered } from "./idempotency.ts";
import { searchInSlices } from "./search-in-slices.ts";
import type { Service } from "./service.ts";
import { turns } from "./turns.ts";

export interface GangRequest extends ClaimTerms {
  readonly gang: string;
  readonly members: readonly (GangMember & {
    /** Of its consumers; they are made if there are none. */
    readonly uuids: readonly string[] | undefined;
  })[];
  readonly rules: readonly GangRule[];
  readonly prefer: Preference;
  /** UUIDs or names of providers: nothing is taken from their trees. */
  readonly notOn: readonly string[];
  readonly consumer: {
    readonly projectId: string;
    readonly userId: string;
    readonly type: string;
  };
}

/** How often a gang is looked at again that changes meanwhile. */
const MAX_LOOKS = 5;

/**
 * Searches for places for all members of a gang, and claims them in one claim: all or nothing.
 *
 * @param render makes the text of the answer, which is kept with the claim under its idempotency key
 * @returns the text, or that of the same request before
 * @throws PlacementError names that do not exist, or why the claim is refused: NoPlaceForGang, GangExists,
 *   OutOfCapacity, ConsumerGenerationConflict, IdempotencyKeyReused, IdempotencyKeyInProgress
 */
export async function claimGang(
  service: Service,
  context: RequestContext,
  request: GangRequest,
  render: (claimed: Claimed) => string,
): Promise<OnceAnswered> {
  const { idempotency, isDryRun, members } = request;
  const uuids = members.flatMap(({ count, uuids: given }) =>
    Array.from({ length: count }, (_, at) => service.storedConsumer(given?.[at] ?? randomUUID())),
  );
  const work = async () => {
    await expectNoGang(service, context, request.gang);
    return claimWhatIsFound(service, request, async (attempts) => {
      const placed = await findPlaces(service, context, request);
      const { consumer, leaseSeconds } = request;
      const describe = (granted: GrantedClaim) => {
        const consumers = placed.map((place, at) => ({
          name: members[place.member]!.name,
          ...describeConsumer(uuids[at]!, consumer, place, leaseSeconds, granted),
        }));
        return render({ consumers, attempts, considered: 1 });
      };
      return { claim: claimOf(context, request, uuids, placed, describe), describe };
    });
  };
  if (idempotency && !isDryRun) return oncePerKey(service, context, idempotency, work);
  return { ...(await work()), isReplayed: false };
}

/** Releases all members of a gang, in one claim. @throws GangNotFound, ConcurrentUpdateDetected */
export async function releaseGang(
  service: Service,
  context: RequestContext,
  gang: string,
): Promise<void> {
  for (let look = 1; look <= MAX_LOOKS; look += 1) {
    const grants = await service.database.readOnce(context, (tx) => findGang(tx, gang));
    const present = grants.filter(({ generation }) => generation !== undefined);
    if (present.length === 0) throw new GangNotFound(gang);
    const consumers = present.map(({ consumerUuid, generation }) =>
      releaseOf(consumerUuid, generation),
    );
    try {
      await service.claims.submit({ context, consumers });
      return;
    } catch (error) {
      // One of them has changed, or is gone, since it was looked at.
      if (!(error instanceof ConsumerGenerationConflict)) throw error;
    }
  }
  throw new ConcurrentUpdateDetected();
}

/** @throws GangExists */
async function expectNoGang(
  service: Service,
  context: DatabaseContext,
  gang: string,
): Promise<void> {
  const found = await service.database.readOnce(context, (tx) => findGang(tx, gang));
  if (found.some(({ generation }) => generation !== undefined)) throw new GangExists();
  // Another program has released them, which knows nothing of gangs.
  if (found.length > 0) {
    await service.database.writer(context, (tx) => endForgottenGang(tx, gang));
  }
}

async function findPlaces(
  service: Service,
  context: RequestContext,
  request: GangRequest,
): Promise<readonly PlacedMember[]> {
  const client = context.userId ?? "";
  if (!turns.canBegin()) await turns.waitToBegin(client);
  const index = await service.freshIndex(context);
  const { maxSearchEffort: maxEffort } = service.config.stowage;
  const terms = { client, maxEffort, signal: request.signal };
  const outcome = await searchInSlices(index, terms, (budget) =>
    placeMembers(index, index.time, request, budget),
  );
  if (outcome.kind === "refused") throw new NoPlaceForGang(outcome.shortfall);
  return outcome.placed;
}

function* placeMembers(
  index: IndexReader,
  time: number,
  { members, rules, prefer, notOn }: GangRequest,
  budget: Budget,
): Generator<void, GangOutcome> {
  for (const rule of rules) {
    if (rule.kind === "max per host") continue;
    for (const uuid of rule.aggregates) {
      if (index.aggregateNumber(uuid) === undefined) throw new AggregateNotFound(uuid);
    }
  }
  const avoided =
    notOn.length > 0 ? yield* findTrees(index, time, notOn, budget) : new Set<number>();
  const question = { members, rules, prefer, avoided, random: Math.random };
  return yield* placeGang(index, time, question, budget);
}

function claimOf(
  context: RequestContext,
  { gang, members, consumer, leaseSeconds, idempotency }: GangRequest,
  uuids: readonly string[],
  placed: readonly PlacedMember[],
  describe: (granted: GrantedClaim) => string,
): Claim {
  const { projectId, userId, type } = consumer;
  const [first = ""] = uuids;
  return {
    context,
    consumers: placed.map(({ allocations }, at) => ({
      consumerUuid: uuids[at]!,
      projectId,
      userId,
      generation: null,
      consumerType: type,
      allocations,
    })),
    alternatives: [],
    grant: {
      uuid: randomUUID(),
      leaseSeconds,
      gang: { name: gang, members: placed.map(({ member }) => members[member]!.name) },
    },
    ...(idempotency && {
      receiptOf: (granted) => ({ ...idempotency, consumerUuid: first, answer: describe(granted) }),
    }),
  };
}
