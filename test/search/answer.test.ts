import { inspect } from "node:util";

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { renderAnswer } from "../../src/api/placement/allocation-candidates/answer.ts";
import { searchCandidates } from "../../src/search/search.ts";
import { unsuffixedQuery, type CandidateQuery } from "../../src/domain/candidate-query.ts";
import { CandidatesOutdated } from "../../src/domain/errors.ts";
import { parseQuery } from "../../src/api/queries/query-string.ts";
import type { ProviderIndex } from "../../src/index/provider-index.ts";
import { CandidateListing } from "../../src/operations/allocation-candidates.ts";
import { RESOURCE_CLASSES, someFleet, someQuery, TRAITS, uuidOf } from "./arbitrary.ts";
import { indexOf } from "./fast-search.ts";
import {
  canonical,
  canonicalAllocations,
  type Fleet,
  type PlainCandidate,
  plainSearch,
} from "./plain-search.ts";

const NUM_RUNS = Number(process.env["CANDIDATE_RUNS"] ?? 600);

/** Versions at which the form of the answer changes. */
const MINORS = [10, 12, 17, 27, 29, 34, 39];

test("the answer tells what the plain search finds, in the form of every version", async () => {
  await fc.assert(
    fc.asyncProperty(
      someFleet,
      someQuery,
      fc.constantFrom(...MINORS),
      async (fleet, someOtherQuery, minor) => {
        const query = { ...someOtherQuery, isNestedAware: minor >= 29 };
        const expected = plainSearch(fleet, query);
        const answer = await answerOf(indexOf(fleet), query, minor);
        const found = answer.allocation_requests.map((it) => readRequest(it, minor));
        const text = minor >= 34 ? canonical : canonicalAllocations;
        expect(found.map(text).sort()).toEqual(expected.candidates.map(text).sort());
        expect(new Set(Object.keys(answer.provider_summaries))).toEqual(expected.summaries);
        for (const [uuid, summary] of Object.entries(answer.provider_summaries)) {
          expect(summary).toEqual(expectedSummary(fleet, query, uuid, minor));
        }
      },
    ),
    { numRuns: NUM_RUNS, verbose: fc.VerbosityLevel.Verbose },
  );
});

test("an answer follows changes of providers", async () => {
  const index = indexOf(flatFleet(3));
  const query = vcpuQuery();
  const before = await answerOf(index, query, 39);
  index.applyUsage(2, 1, new Map([[RESOURCE_CLASSES.VCPU, 1000]]));
  index.applyUsage(3, 1, new Map([[RESOURCE_CLASSES.VCPU, 3]]));
  const after = await answerOf(index, query, 39);
  expect(usedOf(before)).toEqual([0, 0, 0]);
  expect(usedOf(after)).toEqual([0, 3]);
  index.applyUsage(3, 1, new Map([[RESOURCE_CLASSES.VCPU, 123_456_789]]));
  index.put({ ...index.getById(2)!, inventories: [inventoryOf(2 ** 31 - 1, 3e30)] });
  const last = await answerOf(index, query, 39);
  expect(last.provider_summaries[uuidOf(2)]!.resources["VCPU"]!.capacity).toBeGreaterThan(6e39);
});

test("an answer that is given again tells of what has changed since", async () => {
  const index = indexOf(flatFleet(6));
  const query = { ...vcpuQuery(), limit: 4 };
  const told = async () => {
    const answer = await answerOf(index, query, 39);
    const uuids = answer.allocation_requests.map(({ allocations }) => Object.keys(allocations));
    expect(Object.keys(answer.provider_summaries)).toEqual(uuids.flat());
    return [uuids.flat(), usedOf(answer)];
  };
  const first = [1, 2, 3, 4].map(uuidOf);
  for (let count = 0; count < 3; count += 1) expect(await told()).toEqual([first, [0, 0, 0, 0]]);
  const use = (id: number, used: number) =>
    index.applyUsage(id, 1, new Map([[RESOURCE_CLASSES.VCPU, used]]));
  use(2, 3);
  expect(await told(), "one of them is used").toEqual([first, [0, 3, 0, 0]]);
  use(6, 1000);
  expect(await told(), "one after the limit is full").toEqual([first, [0, 3, 0, 0]]);
  use(1, 1000);
  const others = [2, 3, 4, 5].map(uuidOf);
  expect(await told(), "one of them is full").toEqual([others, [3, 0, 0, 0]]);
  expect(await told()).toEqual([others, [3, 0, 0, 0]]);
  use(1, 0);
  expect(await told(), "it is empty again").toEqual([first, [0, 3, 0, 0]]);
  index.remove(3);
  expect(await told(), "one is gone").toEqual([[1, 2, 4, 5].map(uuidOf), [0, 3, 0, 0]]);
});

test("UUIDs of any form are told", async () => {
  const fleet = flatFleet(3);
  const odd = [
    "6d1c0c0fd2a1445d9f7ff8b5d2d5c7a0",
    'quo"te',
    "00000000-0000-4000-8000-00000000000é",
  ];
  const providers = fleet.providers.map((it, number) => ({ ...it, uuid: odd[number]! }));
  const answer = await answerOf(indexOf({ ...fleet, providers }), vcpuQuery(), 39);
  expect(answer.allocation_requests.map((it) => Object.keys(it.allocations)[0])).toEqual(odd);
  expect(answer.allocation_requests.map((it) => it.mappings![""])).toEqual(odd.map((it) => [it]));
  expect(Object.keys(answer.provider_summaries)).toEqual(odd);
});

test("a long answer comes in slices, and from the providers as they were", async () => {
  const index = indexOf(flatFleet(20_000));
  const controller = new AbortController();
  const body = await bodyOf(index, vcpuQuery(), 39, controller.signal);
  expect(body).not.toBeInstanceOf(Uint8Array);
  const slices: Uint8Array[] = [];
  for await (const slice of body as AsyncIterable<Uint8Array>) {
    slices.push(slice);
    index.remove(20_000 - slices.length);
    index.applyUsage(10_000 + slices.length, 1, new Map([[RESOURCE_CLASSES.VCPU, 99]]));
  }
  const answer = JSON.parse(Buffer.concat(slices).toString()) as Answer;
  expect(answer.allocation_requests).toHaveLength(20_000);
  expect(Object.keys(answer.provider_summaries)).toHaveLength(20_000);
  expect(new Set(usedOf(answer))).toEqual(new Set([0]));
  const trees = index.trees.end;
  index.applyUsage(1, 1, new Map([[RESOURCE_CLASSES.VCPU, 5]]));
  expect(index.trees.end, "no view is open any more, so nothing is copied").toBe(trees);
});

test("an answer that nobody waits for any more stops, and lets go of the providers", async () => {
  const index = indexOf(flatFleet(20_000));
  const controller = new AbortController();
  const body = await bodyOf(index, vcpuQuery(), 39, controller.signal);
  const slices = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  await slices.next();
  controller.abort();
  expect(await slices.next()).toEqual({ done: true, value: undefined });
  const trees = index.trees.end;
  index.applyUsage(1, 1, new Map([[RESOURCE_CLASSES.VCPU, 5]]));
  expect(index.trees.end).toBe(trees);
});

test("an answer that is read so slowly that too much changes meanwhile breaks off", async () => {
  const index = indexOf(flatFleet(20_000), 100_000);
  const body = (await bodyOf(index, vcpuQuery(), 39)) as AsyncIterable<Uint8Array>;
  const read = async () => {
    for await (const slice of body) {
      expect(slice.length).toBeGreaterThan(0);
      for (let id = 1; id <= 1000; id++) index.applyUsage(id, 1, new Map([[0, 1]]));
    }
  };
  await expect(read()).rejects.toThrow(CandidatesOutdated);
});

test("the summary of a provider with very many traits is told in pieces, and is whole", async () => {
  const fleet = flatFleet(3);
  const many = Object.fromEntries(
    Array.from({ length: 3000 }, (_, number) => [`CUSTOM_MANY_${number}`, 100_000 + number]),
  );
  const traits = { ...fleet.traits, ...many };
  const providers = fleet.providers.map((it) =>
    it.id === 2 ? { ...it, traitIds: [...it.traitIds, ...Object.values(many)] } : it,
  );
  const wide = { ...fleet, traits, providers };
  const index = indexOf(wide);
  const query = vcpuQuery();
  for (const minor of [10, 20, 39]) {
    const expected = Object.fromEntries(
      providers.map(({ uuid }) => [uuid, expectedSummary(wide, query, uuid, minor)]),
    );
    expect((await answerOf(index, query, minor)).provider_summaries).toEqual(expected);
  }
});

test("a search that finds nothing lets others have their turn, and ends with its client", async () => {
  const index = indexOf(flatFleet(200_000));
  const controller = new AbortController();
  const query = vcpuQuery(2000);
  let rounds = 0;
  const others = setInterval(() => (rounds += 1), 0);
  const whole = await bodyOf(index, query, 39, controller.signal);
  expect(Buffer.from(whole as Uint8Array).toString()).toContain('"allocation_requests":[]');
  expect(rounds).toBeGreaterThan(1);
  rounds = 0;
  const gone = bodyOf(index, query, 39, controller.signal);
  controller.abort();
  expect(Buffer.from((await gone) as Uint8Array).toString()).not.toContain("provider_summaries");
  clearInterval(others);
});

interface Answer {
  readonly allocation_requests: readonly AnswerRequest[];
  readonly provider_summaries: Readonly<Record<string, AnswerSummary>>;
}

interface AnswerRequest {
  readonly allocations: Readonly<Record<string, { resources: Record<string, number> }>>;
  readonly mappings?: Readonly<Record<string, readonly string[]>>;
}

interface AnswerSummary {
  readonly resources: Readonly<Record<string, { capacity: number; used: number }>>;
}

async function bodyOf(
  index: ProviderIndex,
  query: CandidateQuery,
  minor: number,
  signal = new AbortController().signal,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const options = { strategy: "depth-first", maxCandidates: -1 } as const;
  const search = searchCandidates(index, index.time, query, options);
  const listing = new CandidateListing(index, search);
  const asked = parseQuery(new URLSearchParams({ asked: inspect(query, false, null) }).toString());
  return renderAnswer(listing, query, {
    microversion: { major: 1, minor },
    query: asked,
    signal,
  });
}

async function answerOf(
  index: ProviderIndex,
  query: CandidateQuery,
  minor: number,
): Promise<Answer> {
  const body = await bodyOf(index, query, minor);
  return JSON.parse(Buffer.from(body as Uint8Array).toString()) as Answer;
}

function readRequest(request: AnswerRequest, minor: number): PlainCandidate {
  expect("mappings" in request).toBe(minor >= 34);
  expect(Array.isArray(request.allocations)).toBe(minor < 12);
  const entries: [string, Record<string, number>][] =
    minor < 12
      ? (
          request.allocations as unknown as {
            resource_provider: { uuid: string };
            resources: Record<string, number>;
          }[]
        ).map((it) => [it.resource_provider.uuid, it.resources])
      : Object.entries(request.allocations).map(([uuid, { resources }]) => [uuid, resources]);
  const mappings = Object.entries(request.mappings ?? {});
  return {
    allocations: Object.fromEntries(entries),
    mappings: Object.fromEntries(mappings.map(([suffix, uuids]) => [suffix, [...uuids].sort()])),
  };
}

function expectedSummary(fleet: Fleet, query: CandidateQuery, uuid: string, minor: number) {
  const provider = fleet.providers.find((it) => it.uuid === uuid)!;
  const uuidOfId = (id: number | null) => fleet.providers.find((it) => it.id === id)?.uuid ?? null;
  const requested = new Set(query.groups.flatMap(({ resources }) => [...resources.keys()]));
  const resources = Object.entries(fleet.resourceClasses).flatMap(([name, id]) => {
    const inventory = provider.inventories.find((it) => it.resourceClassId === id);
    if (inventory === undefined || (minor < 27 && !requested.has(name))) return [];
    const { total, reserved, allocationRatio, used } = inventory;
    const capacity = Math.trunc((total - reserved) * allocationRatio);
    // JSON knows no negative zero.
    return [[name, { capacity: capacity === 0 ? 0 : capacity, used }] as const];
  });
  const traits = Object.entries(fleet.traits).filter(([, id]) => provider.traitIds.includes(id));
  return {
    resources: Object.fromEntries(resources),
    ...(minor >= 17 && { traits: traits.map(([name]) => name) }),
    ...(minor >= 29 && {
      parent_provider_uuid: uuidOfId(provider.parentId),
      root_provider_uuid: uuidOfId(provider.rootId),
    }),
  };
}

function usedOf(answer: Answer): number[] {
  return Object.values(answer.provider_summaries).map((it) => it.resources["VCPU"]!.used);
}

function vcpuQuery(amount = 1): CandidateQuery {
  return unsuffixedQuery(new Map([["VCPU", amount]]));
}

function flatFleet(size: number): Fleet {
  const providers = Array.from({ length: size }, (_, number) => ({
    id: number + 1,
    uuid: uuidOf(number + 1),
    name: `provider ${number + 1}`,
    generation: 0,
    parentId: null,
    rootId: number + 1,
    inventories: [inventoryOf(1000, 1)],
    traitIds: [TRAITS.T1],
    aggregates: [],
  }));
  return { providers, resourceClasses: RESOURCE_CLASSES, traits: TRAITS };
}

function inventoryOf(total: number, allocationRatio: number) {
  return {
    resourceClassId: RESOURCE_CLASSES.VCPU,
    total,
    reserved: 0,
    minUnit: 1,
    maxUnit: total,
    stepSize: 1,
    allocationRatio,
    used: 0,
  };
}
