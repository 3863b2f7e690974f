import type { Lease } from "../../../domain/lease.ts";
import type { ClaimedCandidate } from "../../../operations/claims.ts";

/** As JSON, which is also kept for when the request is repeated. */
export function renderClaimed({
  consumer,
  allocations,
  mappings,
  lease,
  attempts,
  considered,
}: ClaimedCandidate): string {
  return JSON.stringify({
    claims: [
      {
        consumer: {
          uuid: consumer.uuid,
          generation: consumer.generation,
          project_id: consumer.projectId,
          user_id: consumer.userId,
          type: consumer.type,
        },
        allocations: Object.fromEntries(
          allocations.map(({ providerUuid, generation, resources }) => [
            providerUuid,
            { generation, resources: Object.fromEntries(resources) },
          ]),
        ),
        mappings: Object.fromEntries(mappings),
        lease: lease ? renderLease(lease) : null,
      },
    ],
    attempts,
    considered,
  });
}

export function renderLease({ seconds, expiresAt }: Lease) {
  return { seconds, expires_at: expiresAt.toISOString() };
}
