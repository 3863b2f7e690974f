import { randomUUID } from "node:crypto";

import type { Claim, ConsumerClaim, GrantedClaim } from "../domain/claim.ts";
import { NoCandidates, OutOfCapacity } from "../domain/claim-errors.ts";
import {
  AllocationForUnknownProvider,
  ConcurrentUpdateDetected,
  InvalidInventory,
  type PlacementError,
} from "../domain/errors.ts";
import type { Lease } from "../domain/lease.ts";
import type { RequestContext } from "../domain/request-context.ts";
import { proposeCandidates, type Proposal, type Wish } from "./claim-proposals.ts";
import {
  oncePerKey,
  type Answered,
  type IdempotencyKey,
  type OnceAnswered,
} from "./idempotency.ts";
import type { Service } from "./service.ts";

export interface ClaimRequest extends Wish {
  readonly consumer: {
    /** One is made if there is none. */
    readonly uuid: string | undefined;
    readonly projectId: string;
    readonly userId: string;
    readonly type: string;
    /** `null` for one that must be new, else what it holds is replaced. */
    readonly generation: number | null;
  };
  /** How often to search and claim, where others are faster. */
  readonly attempts: number;
  /** How long it is granted for, unless that is renewed; undefined for good. */
  readonly leaseSeconds: number | undefined;
  /** Whether to tell what would be granted and write nothing. */
  readonly isDryRun: boolean;
  readonly idempotency: IdempotencyKey | undefined;
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
}

/** What was granted, and what it took. */
export interface ClaimedCandidate {
  readonly consumer: {
    readonly uuid: string;
    readonly generation: number;
    readonly projectId: string;
    readonly userId: string;
    readonly type: string;
  };
  readonly allocations: readonly {
    readonly providerUuid: string;
    readonly generation: number;
    readonly resources: ReadonlyMap<string, number>;
  }[];
  readonly mappings: Proposal["mappings"];
  readonly lease: Lease | undefined;
  readonly attempts: number;
  readonly considered: number;
}

/**
 * Searches for candidates and claims the first of them that can still be had, in the claim queue.
 *
 * @param render makes the text of the answer, which is kept with the claim under its idempotency key
 * @returns the text, or that of the same request before
 * @throws PlacementError names that do not exist, or why the claim is refused: NoCandidates, OutOfCapacity,
 *   ConsumerGenerationConflict, IdempotencyKeyReused, IdempotencyKeyInProgress
 */
export async function claimCandidate(
  service: Service,
  context: RequestContext,
  request: ClaimRequest,
  render: (claimed: ClaimedCandidate) => string,
): Promise<OnceAnswered> {
  const { idempotency, isDryRun } = request;
  const work = () => searchAndClaim(service, context, request, render);
  if (idempotency && !isDryRun) return oncePerKey(service, context, idempotency, work);
  return { ...(await work()), isReplayed: false };
}

async function searchAndClaim(
  service: Service,
  context: RequestContext,
  request: ClaimRequest,
  render: (claimed: ClaimedCandidate) => string,
): Promise<Answered> {
  const uuid = service.storedConsumer(request.consumer.uuid ?? randomUUID());
  let last: PlacementError | undefined;
  for (let attempt = 1; attempt <= request.attempts; attempt += 1) {
    const { proposals, considered } = await proposeCandidates(
      service,
      context,
      request,
      request.signal,
    );
    if (proposals.length === 0) throw new NoCandidates();
    const describe = (granted: GrantedClaim) =>
      render({
        ...describeGranted(request, uuid, granted, proposals[granted.choice]!),
        attempts: attempt,
        considered,
      });
    const claim = claimOf(context, request, uuid, proposals, describe);
    try {
      const granted = await (request.isDryRun
        ? service.claims.rehearse(claim)
        : service.claims.submit(claim));
      if (!granted) throw new Error("a claim with alternatives was not told which it got");
      return { consumerUuid: uuid, answer: describe(granted) };
    } catch (error) {
      if (!isLost(error)) throw error;
      last = error;
    }
  }
  throw new OutOfCapacity(request.attempts, last!);
}

function claimOf(
  context: RequestContext,
  { consumer, idempotency, leaseSeconds }: ClaimRequest,
  consumerUuid: string,
  proposals: readonly Proposal[],
  describe: (granted: GrantedClaim) => string,
): Claim {
  const choices = proposals.map(({ allocations }): ConsumerClaim[] => [
    {
      consumerUuid,
      projectId: consumer.projectId,
      userId: consumer.userId,
      generation: consumer.generation,
      consumerType: consumer.type,
      allocations,
    },
  ]);
  const [consumers = [], ...alternatives] = choices;
  return {
    context,
    consumers,
    alternatives,
    ...(leaseSeconds !== undefined && {
      grant: { uuid: randomUUID(), leaseSeconds, gang: undefined },
    }),
    ...(idempotency && {
      receiptOf: (granted) => ({ ...idempotency, consumerUuid, answer: describe(granted) }),
    }),
  };
}

function describeGranted(
  { consumer, leaseSeconds: seconds }: ClaimRequest,
  uuid: string,
  { consumers, providers, expiresAt }: GrantedClaim,
  { allocations, mappings }: Proposal,
) {
  const { projectId, userId, type } = consumer;
  return {
    consumer: { uuid, generation: consumers.get(uuid) ?? 0, projectId, userId, type },
    allocations: allocations.map(({ providerUuid, resources }) => ({
      providerUuid,
      generation: providers.get(providerUuid) ?? 0,
      resources,
    })),
    mappings,
    lease: seconds === undefined || !expiresAt ? undefined : { seconds, expiresAt },
  };
}

/** Whether others were faster at all that was proposed, so that another search may find more. */
function isLost(error: unknown): error is PlacementError {
  return (
    error instanceof InvalidInventory ||
    error instanceof AllocationForUnknownProvider ||
    error instanceof ConcurrentUpdateDetected
  );
}
