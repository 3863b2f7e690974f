import { listAllocationCandidates } from "../../src/api/allocation-candidates/handlers.ts";
import { readCandidateQuery } from "../../src/api/allocation-candidates/query.ts";
import { MAX_MICROVERSION } from "../../src/api/microversions.ts";
import type { ApiRequest } from "../../src/api/request.ts";
import { searchCandidates } from "../../src/candidates/search.ts";
import { defaultConfig } from "../../src/config/config.ts";
import { parseQuery } from "../../src/http/query.ts";
import { ProviderIndex } from "../../src/index/provider-index.ts";
import { type FleetShape, providersOf, RESOURCE_CLASSES, TRAITS } from "./fleets.ts";

export function buildIndex(shape: FleetShape, seed: number): ProviderIndex {
  const index = new ProviderIndex();
  index.resourceClasses.replaceAll(RESOURCE_CLASSES);
  index.traits.replaceAll(TRAITS);
  for (const record of providersOf(shape, seed)) index.put(record);
  return index;
}

/** Answers a query as the service does, without HTTP and without a database. */
export function answerer(index: ProviderIndex, query: string): () => Promise<Uint8Array> {
  const request = requestFor(index, query);
  return async () => {
    const { body } = await listAllocationCandidates(request);
    if (body instanceof Uint8Array) return body;
    const slices: Uint8Array[] = [];
    for await (const slice of body ?? []) slices.push(slice);
    return Buffer.concat(slices);
  };
}

/** Only the search: how many candidates it finds. */
export function searcher(index: ProviderIndex, text: string): () => number {
  const query = readCandidateQuery(requestFor(index, text));
  return () => {
    const options = { strategy: "depth-first", maxCandidates: -1 } as const;
    const search = searchCandidates(index, index.time, query, options);
    const budget = { left: Infinity };
    let found = 0;
    while (search.next(budget) === "found") found += 1;
    return found;
  };
}

function requestFor(index: ProviderIndex, query: string): ApiRequest {
  return {
    query: parseQuery(query),
    microversion: MAX_MICROVERSION,
    service: { config: defaultConfig(), freshIndex: () => Promise.resolve(index) },
    authorize: () => {},
    get signal() {
      return new AbortController().signal;
    },
  } as unknown as ApiRequest;
}
