import { renderLease } from "../claims/rendering.ts";
import type { HeldConsumer } from "../../../operations/consumers.ts";

/** @param hasNames whether names of providers are told, as they may tell of hosts */
export function renderConsumer(consumer: HeldConsumer, hasNames: boolean) {
  const { uuid, generation, createdAt, updatedAt, allocations } = consumer;
  return {
    uuid,
    generation,
    project_id: consumer.projectId,
    user_id: consumer.userId,
    type: consumer.type,
    created_at: toText(createdAt),
    updated_at: toText(updatedAt),
    trees: consumer.trees.length,
    allocations: Object.fromEntries(
      allocations.map(({ provider, rootUuid, resources }) => [
        provider.uuid,
        {
          resources: Object.fromEntries(resources),
          ...(hasNames && { provider_name: provider.name }),
          root_provider_uuid: rootUuid,
        },
      ]),
    ),
  };
}

/** With what it was granted besides, for which it was looked. */
export function renderGrantedConsumer(consumer: HeldConsumer, hasNames: boolean) {
  const { grant } = consumer;
  return {
    ...renderConsumer(consumer, hasNames),
    granted_at: toText(grant?.grantedAt ?? null),
    lease: grant?.lease ? renderLease(grant.lease) : null,
    gang: grant?.gang ?? null,
  };
}

/** Rows may have a date that is none. */
function toText(date: Date | null): string | null {
  return date === null || Number.isNaN(date.getTime()) ? null : date.toISOString();
}
