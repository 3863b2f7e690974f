import { randomUUID } from "node:crypto";

import type { Claim, ConsumerClaim, GrantedClaim } from "../domain/claim.ts";
import { NoCandidates } from "../domain/claim-errors.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { NamedCandidate } from "../search/candidate.ts";
import {
  claimWhatIsFound,
  describeConsumer,
  type Claimed,
  type ClaimTerms,
} from "./claim-attempts.ts";
import { proposeCandidates, type Wish } from "./claim-proposals.ts";
import { oncePerKey, type OnceAnswered } from "./idempotency.ts";
import type { Service } from "./service.ts";

export interface ClaimRequest extends Wish, ClaimTerms {
  readonly consumer: {
    /** One is made if there is none. */
    readonly uuid: string | undefined;
    readonly projectId: string;
    readonly userId: string;
    readonly type: string;
    /** `null` for one that must be new, else what it holds is replaced. */
    readonly generation: number | null;
  };
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
  render: (claimed: Claimed) => string,
): Promise<OnceAnswered> {
  const { idempotency, isDryRun } = request;
  const uuid = service.storedConsumer(request.consumer.uuid ?? randomUUID());
  const work = () =>
    claimWhatIsFound(service, request, async (attempts) => {
      const { proposals, considered } = await proposeCandidates(
        service,
        context,
        request,
        request.signal,
      );
      if (proposals.length === 0) throw new NoCandidates();
      const { consumer, leaseSeconds } = request;
      const describe = (granted: GrantedClaim) => {
        const proposal = proposals[granted.choice]!;
        const claimed = describeConsumer(uuid, consumer, proposal, leaseSeconds, granted);
        return render({ consumers: [claimed], attempts, considered });
      };
      return { claim: claimOf(context, request, uuid, proposals, describe), describe };
    });
  if (idempotency && !isDryRun) return oncePerKey(service, context, idempotency, work);
  return { ...(await work()), isReplayed: false };
}

function claimOf(
  context: RequestContext,
  { consumer, idempotency, leaseSeconds }: ClaimRequest,
  consumerUuid: string,
  proposals: readonly NamedCandidate[],
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
