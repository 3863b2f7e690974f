import { renderAnswer } from "../../src/api/placement/allocation-candidates/answer.ts";
import { listAllocationCandidates } from "../../src/api/placement/allocation-candidates/handlers.ts";
import { readCandidateQuery } from "../../src/api/queries/candidate-query.ts";
import { MAX_MICROVERSION } from "../../src/api/microversions.ts";
import type { ApiRequest } from "../../src/api/request.ts";
import { Metrics } from "../../src/observability/metrics.ts";
import { searchCandidates } from "../../src/search/search.ts";
import { defaultConfig } from "../../src/config/config.ts";
import { parseQuery } from "../../src/api/queries/query-string.ts";
import { partsOf } from "../../src/http/answer.ts";
import { ProviderIndex } from "../../src/index/provider-index.ts";
import { CandidateListing } from "../../src/operations/allocation-candidates.ts";
import { type FleetShape, providersOf, RESOURCE_CLASSES, TRAITS } from "./fleets.ts";

export function buildIndex(shape: FleetShape, seed: number): ProviderIndex {
  const index = new ProviderIndex();
  index.resourceClasses.replaceAll(RESOURCE_CLASSES);
  index.traits.replaceAll(TRAITS);
  for (const record of providersOf(shape, seed)) index.put(record);
  return index;
}

/** Answers a query as the service does, without HTTP and without a database. */
export interface Answerer {
  /** As if nobody had asked before. */
  first(): Promise<Uint8Array>;
  /** As if it had been asked before, and a claim had been made since. */
  again(): Promise<Uint8Array>;
}

export function answerer(index: ProviderIndex, query: string): Answerer {
  const request = requestFor(index, query);
  let claims = 0;
  let asked = 0;
  return {
    first() {
      asked += 1;
      // The first limit counts; the other one only makes a query of it that nobody has asked.
      return answerTo({ ...request, query: parseQuery(`${query}&limit=${asked}`) });
    },
    again() {
      claims += 1;
      use(index, 1 + ((claims * 617) % 1000), claims);
      return answerTo(request);
    },
  };
}

async function answerTo(request: ApiRequest): Promise<Uint8Array> {
  const { body } = await listAllocationCandidates(request);
  if (body instanceof Uint8Array) return body;
  const slices: Uint8Array[] = [];
  for await (const slice of body ?? []) slices.push(...partsOf(slice));
  return Buffer.concat(slices);
}

/** One unit more of a provider is in use, or one less. */
function use(index: ProviderIndex, id: number, generation: number): void {
  const [inventory] = index.getById(id)?.inventories ?? [];
  if (!inventory) return;
  const used = inventory.used > 0 ? inventory.used - 1 : 1;
  index.applyUsage(id, generation, new Map([[inventory.resourceClassId, used]]));
}

/** Only the search: how many candidates it finds. */
export function searcher(index: ProviderIndex, text: string): () => number {
  const query = readCandidateQuery(requestFor(index, text));
  return () => {
    const search = searchCandidates(index, index.time, query, EVERYTHING);
    const budget = { left: Infinity };
    let found = 0;
    while (search.next(budget) === "found") found += 1;
    return found;
  };
}

/** Only the writing, of candidates that were found before: what finding them is compared with. */
export function writer(index: ProviderIndex, text: string): () => Promise<unknown> {
  const request = requestFor(index, text);
  const query = readCandidateQuery(request);
  const search = searchCandidates(index, index.time, query, EVERYTHING);
  const found: (readonly number[])[] = [];
  const budget = { left: Infinity };
  while (search.next(budget) === "found") found.push([...search.rows]);
  return () => {
    const listing = new CandidateListing(index, search);
    timesWritten += 1;
    // Nothing is kept of what is asked once.
    const asked = { ...request, query: parseQuery(`time=${timesWritten}`) };
    let next = -1;
    Object.defineProperty(listing, "rows", { get: () => found[next] });
    Object.defineProperty(listing, "next", {
      value: () => ((next += 1) < found.length ? "found" : "done"),
    });
    return renderAnswer(listing, query, asked);
  };
}

let timesWritten = 0;

const EVERYTHING = { strategy: "depth-first", maxCandidates: -1 } as const;

const METRICS = new Metrics();

function requestFor(index: ProviderIndex, query: string): ApiRequest {
  return {
    query: parseQuery(query),
    microversion: MAX_MICROVERSION,
    service: {
      config: defaultConfig(),
      freshIndex: () => Promise.resolve(index),
      database: { metrics: METRICS },
    },
    context: { userId: undefined },
    authorize: () => {},
    get signal() {
      return new AbortController().signal;
    },
  } as unknown as ApiRequest;
}
