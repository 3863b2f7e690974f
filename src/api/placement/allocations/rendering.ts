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
const ALLOCATIONS_BY_STEP = 16;

export function* consumerAllocationsText(
  request: ApiRequest,
  found: ConsumerAllocations,
): Generator<string> {
  const { consumer, consumerType } = found;
  yield '{"allocations":{';
  yield* entriesText(found, (generation) => ({ resources: {}, generation }));
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
  yield* entriesText(found, (generation) => ({
    resources: {},
    ...(hasGenerations && { consumer_generation: generation }),
  }));
  yield `},"resource_provider_generation":${found.generation}}`;
}

/** The members of an object: those that allocations have in common, with the amounts by class. */
function* entriesText(
  { allocations, classNameOf }: Pick<ConsumerAllocations, "allocations" | "classNameOf">,
  begin: (generation: number) => Entry,
): Generator<string> {
  const entries = new Map<string, Entry>();
  let count = 0;
  for (const allocation of allocations) {
    const { uuid, generation } = allocation;
    let entry = entries.get(uuid);
    if (entry === undefined) {
      entry = begin(generation);
      entries.set(uuid, entry);
    }
    entry.resources[classNameOf(allocation.resourceClassId)] = allocation.used;
    count += 1;
    if (count % ALLOCATIONS_BY_STEP === 0) yield "";
  }
  yield* joined(
    entries.entries().map(([key, entry]) => `${JSON.stringify(key)}:${JSON.stringify(entry)}`),
  );
}
