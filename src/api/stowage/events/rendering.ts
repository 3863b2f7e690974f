import { renderAmounts } from "../../inventory-amounts.ts";
import type { ConsumerDetails, FromTo, ProviderDetails } from "../../../domain/change-details.ts";
import type { InventoryAmounts } from "../../../domain/inventory.ts";
import { nameSubject, providerOf, type ToldEvent } from "../../../operations/events.ts";
import type { FleetProvider } from "../../../operations/fleet.ts";
import type { Service } from "../../../operations/service.ts";

/** An event as JSON, made once for all who are told. */
export function renderEvent(service: Service, event: ToldEvent): string {
  return (event.text ??= JSON.stringify(describe(service, event)));
}

function describe(service: Service, event: ToldEvent) {
  const { row, told } = event;
  return {
    id: String(row.id),
    time: row.createdAt?.toISOString() ?? null,
    source: "/stowage",
    type: row.kind,
    subject: nameSubject(service, event) ?? null,
    request_id: row.requestId,
    // What is undefined is left out.
    global_request_id: told?.globalRequestId,
    cause: told?.cause,
    user_id: row.userId,
    project_id: row.projectId,
    data: dataOf(service, event),
  };
}

function dataOf(service: Service, event: ToldEvent) {
  const details = event.told?.details;
  if (event.row.kind === "provider") {
    const provider = providerOf(service, event);
    if (!provider) return null;
    const changed = details?.of === "provider" ? renderChanged(details) : undefined;
    return { ...renderProvider(provider), changed };
  }
  if (!details) return null;
  if (details.of === "consumer") return renderHolder(details);
  return details.of === "provider" ? { changed: renderChanged(details) } : { name: details.name };
}

function renderProvider(provider: FleetProvider) {
  const usages: Record<string, { readonly used: number; readonly capacity: number }> = {};
  for (const { resourceClass, used, capacity } of provider.inventories) {
    usages[resourceClass] = { used, capacity };
  }
  return {
    name: provider.name,
    generation: provider.generation,
    root: provider.rootUuid,
    parent: provider.parentUuid,
    usages,
  };
}

export function renderHolder(details: ConsumerDetails) {
  const { projectId, userId, consumerType, generation, formerly, was, now, isCut } = details;
  return {
    project_id: projectId ?? null,
    user_id: userId ?? null,
    type: consumerType ?? null,
    generation: generation ?? null,
    formerly: formerly && {
      project_id: formerly.projectId,
      user_id: formerly.userId,
      type: formerly.consumerType,
    },
    was: isCut ? null : was,
    now: isCut ? null : now,
  };
}

/** Nothing where nothing of it is told. */
export function renderChanged(details: ProviderDetails) {
  const { name, parent, root, inventories, traits, aggregates, isCut } = details;
  const changed = {
    name,
    parent,
    root,
    inventories:
      inventories &&
      Object.fromEntries(
        Object.entries(inventories).map(([name_, both]) => [name_, renderBoth(both)]),
      ),
    traits,
    aggregates,
    is_cut: isCut,
  };
  return Object.values(changed).some((value) => value !== undefined) ? changed : undefined;
}

function renderBoth([was, now]: FromTo<InventoryAmounts>) {
  return [was && renderAmounts(was), now && renderAmounts(now)];
}
