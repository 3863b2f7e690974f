/**
 * What does it cost to count how often a request fits? Beside it, in turns, a search that looks at every host
 * and finds one candidate in each that has room. Only the ratios mean something.
 *
 *     node bench/fit.ts --help
 */
import { Command } from "commander";

import { readCandidateQuery } from "../src/api/queries/candidate-query.ts";
import { MAX_MICROVERSION } from "../src/api/microversions.ts";
import { parseQuery } from "../src/api/queries/query-string.ts";
import type { CandidateQuery } from "../src/domain/candidate-query.ts";
import type { Fit } from "../src/domain/fit.ts";
import type { ProviderIndex } from "../src/index/provider-index.ts";
import { anchors } from "../src/search/anchoring.ts";
import { answerFit } from "../src/search/answer-fit.ts";
import { SearchNotes } from "../src/search/failed-shapes.ts";
import { SearchPlan } from "../src/search/search-plan.ts";
import { buildIndex } from "./candidates/answering.ts";
import type { FleetShape } from "./candidates/fleets.ts";
import { median } from "./median.ts";

const { seed, only, rounds } = new Command("fit")
  .description(
    "Counts how often a request fits, and searches one candidate in each host, in turns.\n\n" +
      "search  looks at every host and finds one candidate in each, median of the rounds\n" +
      "fit     counts what fits, now and if nothing were claimed\n" +
      "ratio   of the two\n" +
      "All are medians, of the time of the processor.",
  )
  .option("--seed <number>", "what the fleets follow from", "1")
  .option("--only <text>", "rows whose name has this text", "")
  .option("--rounds <number>", "how often each is done", "15")
  .parse()
  .opts<{ readonly seed: string; readonly only: string; readonly rounds: string }>();

interface Row {
  readonly name: string;
  readonly fleet: FleetShape;
  readonly query: string;
  /** Claims something of a provider, by its number. */
  readonly usedOf?: (id: number) => number;
}

const FLAT = "resources=VCPU:4,MEMORY_MB:8192,DISK_GB:80";
const NESTED =
  "resources_CPU=VCPU:4,MEMORY_MB:8192&resources_NIC=CUSTOM_DEVICE:1&group_policy=none" +
  "&same_subtree=_CPU,_NIC";
const WIDE = [
  "resources=VCPU:1",
  ...Array.from({ length: 8 }, (_, group) => `resources${group + 1}=CUSTOM_DEVICE:1`),
  "group_policy=isolate",
].join("&");

const ROWS: readonly Row[] = [
  ...[10_000, 100_000].flatMap((trees): Row[] => {
    const fleet = { kind: "flat", trees, devices: 0 } as const;
    return [
      { name: `flat, ${trees}, all have room`, fleet, query: FLAT },
      {
        name: `flat, ${trees}, a quarter has room`,
        fleet,
        query: FLAT,
        usedOf: (id) => (id % 4 === 0 ? id % 97 : 4000),
      },
    ];
  }),
  ...[undefined, (id: number) => id % 5, (id: number) => (id * 7919) % 8].map(
    (usedOf, number): Row => ({
      name: `nested, 10000 x 7, ${["all alike", "mixed", "all different"][number]}`,
      fleet: { kind: "nested", trees: 10_000, devices: 0 },
      query: NESTED,
      ...(usedOf && { usedOf }),
    }),
  ),
  ...[undefined, (id: number) => (id * 7919) % 2].map((usedOf, number): Row => ({
    name: `wide, 100 x 64, 9 groups, isolate, ${["unused", "half used"][number]}`,
    fleet: { kind: "wide", trees: 100, devices: 64 },
    query: WIDE,
    ...(usedOf && { usedOf }),
  })),
];

console.table(ROWS.filter(({ name }) => name.includes(only)).map(measure));

function measure({ name, fleet, query: text, usedOf }: Row) {
  const index = buildIndex(fleet, Number(seed));
  if (usedOf !== undefined) use(index, usedOf);
  const query = readCandidateQuery({ query: parseQuery(text), microversion: MAX_MICROVERSION });
  const searchMs: number[] = [];
  const fitMs: number[] = [];
  let found = 0;
  let fit: Fit | undefined;
  for (let round = 0; round <= Number(rounds); round++) {
    const search = timeMs(() => (found = countHosts(index, query)));
    const count = timeMs(() => (fit = countFit(index, query)));
    // The first round is for the compiler.
    if (round === 0) continue;
    searchMs.push(search);
    fitMs.push(count);
  }
  if (fit?.hostsWithRoom !== found) throw new Error(`${name}: the two do not agree`);
  const ratio = median(fitMs.map((ms, round) => ms / searchMs[round]!));
  return {
    name,
    "search ms": Number(median(searchMs).toFixed(2)),
    "fit ms": Number(median(fitMs).toFixed(2)),
    ratio: Number(ratio.toFixed(2)),
    hosts: found,
    total: fit.total,
    "at most": fit.atMost,
    "if empty": fit.ifEmpty.total,
  };
}

/** The search as it is for each request, but for what it does with a candidate. */
function countHosts(index: ProviderIndex, query: CandidateQuery): number {
  const plan = new SearchPlan(index, index.time, query);
  const notes = new SearchNotes();
  const scan = plan.trees();
  let hosts = 0;
  for (let tree = scan.next(); tree >= 0; tree = scan.next()) {
    if (finish(anchors(plan, tree, notes, { left: Infinity }))) hosts += 1;
  }
  return hosts;
}

function countFit(index: ProviderIndex, query: CandidateQuery): Fit {
  const question = {
    flavors: new Map([["it", query]]),
    terms: {
      maxPerHost: Infinity,
      maxPerAggregate: { aggregates: [], max: 0 },
      byAggregate: [],
      hosts: 3,
    },
    suppositions: [],
    held: new Map(),
  };
  return finish(answerFit(index, index.time, question, { left: Infinity })).fits.get("it")!;
}

function finish<Result>(work: Generator<void, Result>): Result {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** Of each class of which a provider has inventory. */
function use(index: ProviderIndex, usedOf: (id: number) => number): void {
  const ids = Array.from(index.places(), ({ id }) => id);
  for (const id of ids) {
    const { inventories } = index.getById(id)!;
    const used = inventories.map((it): [number, number] => [
      it.resourceClassId,
      Math.min(usedOf(id), it.total),
    ]);
    index.applyUsage(id, 0, new Map(used));
  }
}

/** Of the processor: other programs change little about it. */
function timeMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
