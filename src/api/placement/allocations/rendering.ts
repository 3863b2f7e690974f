import type { Allocation } from "../../../domain/allocation.ts";
import type { ConsumerAllocations, ProviderAllocations } from "../../../operations/allocations.ts";
import { supports } from "../../microversions.ts";
import type { ApiRequest } from "../../request.ts";
import { joined } from "../../text-writer.ts";

/** What is shown of a provider or of a consumer. */
interface Entry {
  readonly resources: Record<string, number>;
  readonly generation?: number;
  readonly consumer_generation?: number;
}

/** So many are put together between two pauses. */
const ALLOCATIONS_BY_STEP = 256;

export function* consumerAllocationsText(
  request: ApiRequest,
  found: ConsumerAllocations,
): Generator<string> {
  const { consumer, consumerType } = found;
  yield '{"allocations":{';
  yield* entriesText(
    found,
    ({ resourceProviderUuid }) => resourceProviderUuid,
    ({ resourceProviderGeneration }) => ({
      resources: {},
      generation: resourceProviderGeneration,
    }),
  );
  yield "}";
  if (consumer) {
    const rest = JSON.stringify({
      ...(supports(request, "allocationsByProvider") && {
        project_id: consumer.project.externalId,
        user_id: consumer.user.externalId,
      }),
      ...(supports(request, "consumerGeneration") && { consumer_generation: consumer.generation }),
      ...(supports(request, "consumerTypes") && { consumer_type: consumerType }),
    }).slice(1, -1);
    if (rest !== "") yield `,${rest}`;
  }
  yield "}";
}

export function* providerAllocationsText(
  request: ApiRequest,
  found: ProviderAllocations,
): Generator<string> {
  const hasGenerations = supports(request, "consumerGeneration");
  yield '{"allocations":{';
  yield* entriesText(
    found,
    ({ consumerUuid }) => consumerUuid,
    ({ consumerGeneration }) => ({
      resources: {},
      ...(hasGenerations && { consumer_generation: consumerGeneration }),
    }),
  );
  yield `},"resource_provider_generation":${found.generation}}`;
}

/** The members of an object: those that allocations have in common, with the amounts by class. */
function* entriesText(
  { allocations, classNameOf }: Pick<ConsumerAllocations, "allocations" | "classNameOf">,
  keyOf: (allocation: Allocation) => string,
  begin: (allocation: Allocation) => Entry,
): Generator<string> {
  const entries = new Map<string, Entry>();
  let count = 0;
  for (const allocation of allocations) {
    const key = keyOf(allocation);
    let entry = entries.get(key);
    if (entry === undefined) {
      entry = begin(allocation);
      entries.set(key, entry);
    }
    entry.resources[classNameOf(allocation.resourceClassId)] = allocation.used;
    count += 1;
    if (count % ALLOCATIONS_BY_STEP === 0) yield "";
  }
  yield* joined(
    entries.entries().map(([key, entry]) => `${JSON.stringify(key)}:${JSON.stringify(entry)}`),
  );
}
