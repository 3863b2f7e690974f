import type { Lease } from "../../../domain/lease.ts";
import type { Claimed } from "../../../operations/claim-attempts.ts";

/** As JSON, which is also kept for when the request is repeated. */
export function renderClaimed({ consumers, attempts, considered }: Claimed): string {
  return JSON.stringify({ claims: consumers.map(renderConsumer), attempts, considered });
}

function renderConsumer(claimed: Claimed["consumers"][number]) {
  const { name, uuid, generation, projectId, userId, type } = claimed;
  const { allocations, mappings, lease } = claimed;
  return {
    // Only a member of a gang has one.
    name,
    consumer: { uuid, generation, project_id: projectId, user_id: userId, type },
    allocations: Object.fromEntries(
      allocations.map(({ providerUuid, generation: ofProvider, resources }) => [
        providerUuid,
        { generation: ofProvider, resources: Object.fromEntries(resources) },
      ]),
    ),
    mappings: Object.fromEntries(mappings),
    lease: lease ? renderLease(lease) : null,
  };
}

export function renderLease({ seconds, expiresAt }: Lease) {
  return { seconds, expires_at: expiresAt.toISOString() };
}
