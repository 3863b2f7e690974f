/**
 * How long does it take to explain a query, as a share of a search that looks at every host? Fleets are flat,
 * nested and wide; some queries fit everywhere, some nowhere, some only in combination nowhere.
 *
 *     node bench/explain.ts --help
 */
import { Command } from "commander";

import { monitorEventLoopDelay } from "node:perf_hooks";

import { MAX_MICROVERSION } from "../src/api/microversions.ts";
import { readCandidateQuery } from "../src/api/queries/candidate-query.ts";
import { parseQuery } from "../src/api/queries/query-string.ts";
import type { CandidateQuery } from "../src/domain/candidate-query.ts";
import type { ProviderIndex } from "../src/index/provider-index.ts";
import { explainOn } from "../src/operations/explaining.ts";
import { anchors } from "../src/search/anchoring.ts";
import { explainCandidates } from "../src/search/explain.ts";
import { SearchNotes } from "../src/search/failed-shapes.ts";
import { searchCandidates } from "../src/search/search.ts";
import { SearchPlan } from "../src/search/search-plan.ts";
import { buildIndex } from "./candidates/answering.ts";
import type { FleetShape } from "./candidates/fleets.ts";
import { median } from "./median.ts";

interface Options {
  readonly seed: string;
  readonly only: string;
  readonly rounds: string;
  readonly huge: boolean;
}

const options = new Command("explain")
  .description(
    "Compares GET /stowage/v1/explain with the search, without HTTP, taking turns in one run.\n\n" +
      "search    a query that fits: every host is looked at, and one candidate found in each\n" +
      "query     the query that is explained, until it has found all or knows that there is nothing\n" +
      "explain   explaining it, with three nearest hosts\n" +
      "ratio     explain as a share of the dearer of the two others\n" +
      "All are medians, of the time of the processor: other programs change little about it.",
  )
  .option("--seed <number>", "what the fleets follow from", "1")
  .option("--only <text>", "cases whose name has this text", "")
  .option("--rounds <number>", "how often each is done", "15")
  .option(
    "--huge",
    "two explanations at once of a million hosts, and what that does to others",
    false,
  )
  .parse()
  .opts<Options>();

interface Case {
  readonly name: string;
  readonly fleet: FleetShape;
  /** Fits in every host. */
  readonly fits: string;
  readonly query: string;
}

const FLAT = "resources=VCPU:1,MEMORY_MB:1024,DISK_GB:10";
const TRAITED =
  `resources=VCPU:1,MEMORY_MB:1024,DISK_GB:10` +
  `&required=CUSTOM_TRAIT_NUMBER_2,CUSTOM_TRAIT_NUMBER_9,!CUSTOM_TRAIT_NUMBER_18`;
const SUBTREE =
  "resources_CPU=VCPU:1,MEMORY_MB:1024&resources_NIC=CUSTOM_DEVICE:1&group_policy=none" +
  "&same_subtree=_CPU,_NIC";

function cases(): Case[] {
  const flat = [10_000, 100_000].flatMap((trees) => {
    const fleet = { kind: "flat", trees, devices: 0 } as const;
    const of = (name: string, query: string) => ({
      name: `flat ${trees}, ${name}`,
      fleet,
      fits: FLAT,
      query,
    });
    return [
      of("all fit", FLAT),
      of("none fits, 3 constraints", "resources=VCPU:999,MEMORY_MB:1024,DISK_GB:10"),
      of("none fits, 6 constraints", TRAITED.replace("VCPU:1", "VCPU:999")),
      of("none fits together", TRAITED.replace("DISK_GB:10", "DISK_GB:9999")),
    ];
  });
  const nested = { kind: "nested", trees: 10_000, devices: 0 } as const;
  const wide = { kind: "wide", trees: 100, devices: 64 } as const;
  const devices = Array.from({ length: 8 }, (_, group) => `resources${group}=CUSTOM_DEVICE:1`);
  const isolated = `resources=VCPU:1&${devices.join("&")}&group_policy=isolate`;
  return [
    ...flat,
    { name: "nested 10000 x 7, all fit", fleet: nested, fits: SUBTREE, query: SUBTREE },
    {
      name: "nested 10000 x 7, VCPU too much",
      fleet: nested,
      fits: SUBTREE,
      query: SUBTREE.replace("VCPU:1", "VCPU:999"),
    },
    {
      name: "nested 10000 x 7, no combination",
      fleet: nested,
      fits: SUBTREE,
      query:
        "resources1=VCPU:1&resources2=VCPU:1&resources3=VCPU:1&group_policy=isolate&resources_NIC=CUSTOM_DEVICE:1",
    },
    {
      name: "wide 100 x 64, VCPU too much",
      fleet: wide,
      fits: isolated,
      query: isolated.replace("VCPU:1", "VCPU:999"),
    },
    { name: "wide 100 x 64, all fit", fleet: wide, fits: isolated, query: isolated },
  ].filter(({ name }) => name.includes(options.only));
}

if (options.huge) {
  console.table(await explainTwice());
  process.exit();
}

let built: { readonly shape: string; readonly index: ProviderIndex } | undefined;
console.table(
  cases().map(({ name, fleet, fits, query }) => {
    const shape = JSON.stringify(fleet);
    if (built?.shape !== shape) built = { shape, index: buildIndex(fleet, Number(options.seed)) };
    return measure(name, built.index, read(fits), read(query));
  }),
);

function measure(name: string, index: ProviderIndex, fits: CandidateQuery, query: CandidateQuery) {
  const runs = {
    search: () => anchorEach(index, fits),
    query: () => anchorOrSearch(index, query),
    explain: () => explainAll(index, query),
  };
  const tookMs = { search: [] as number[], query: [] as number[], explain: [] as number[] };
  for (let number = 1; number <= Number(options.rounds) + 2; number += 1) {
    for (const [what, run] of Object.entries(runs)) {
      const begun = process.cpuUsage();
      run();
      const { user, system } = process.cpuUsage(begun);
      // The first rounds are for the compiler.
      if (number > 2) tookMs[what as keyof typeof tookMs].push((user + system) / 1000);
    }
  }
  const [search, asked, explain] = [tookMs.search, tookMs.query, tookMs.explain].map(median);
  return {
    name,
    "search ms": round(search!),
    "query ms": round(asked!),
    "explain ms": round(explain!),
    ratio: round(explain! / Math.max(search!, asked!)),
  };
}

/** Two at once in the service, while somebody else wants to be served. */
async function explainTwice() {
  const index = buildIndex({ kind: "flat", trees: 1_000_000, devices: 0 }, Number(options.seed));
  const query = read(TRAITED.replace("VCPU:1", "VCPU:999"));
  const rows = [];
  for (let number = 1; number <= 3; number += 1) {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const begun = performance.now();
    let others = 0;
    let serving = setImmediate(serveOthers);
    function serveOthers() {
      others += 1;
      serving = setImmediate(serveOthers);
    }
    const asked = ["one", "other"].map((client) =>
      explainOn(index, client, { query, nearest: 3, host: undefined, ifEmpty: true }, Infinity),
    );
    await Promise.all(asked);
    clearImmediate(serving);
    delay.disable();
    rows.push({
      number,
      "both ms": round(performance.now() - begun),
      "others served": others,
      "delay p50 ms": round(delay.percentile(50) / 1e6),
      "delay p99 ms": round(delay.percentile(99) / 1e6),
      "delay max ms": round(delay.max / 1e6),
    });
  }
  return rows;
}

function anchorEach(index: ProviderIndex, query: CandidateQuery): number {
  const plan = new SearchPlan(index, index.time, query);
  const notes = new SearchNotes();
  const budget = { left: Infinity };
  let found = 0;
  for (let tree = 0; tree < index.trees.end; tree += 1) {
    const search = anchors(plan, tree, notes, budget);
    let step = search.next();
    while (!step.done) step = search.next();
    if (step.value) found += 1;
  }
  return found;
}

/** Of a query with very many candidates, only whether each host has one. */
function anchorOrSearch(index: ProviderIndex, query: CandidateQuery): number {
  const budget = { left: Infinity };
  const search = searchCandidates(index, index.time, query, {
    strategy: "breadth-first",
    maxCandidates: -1,
  });
  let found = 0;
  while (found <= index.trees.end && search.next(budget) === "found") found += 1;
  return found;
}

function explainAll(index: ProviderIndex, query: CandidateQuery): string {
  const explaining = explainCandidates(
    index,
    index.time,
    query,
    { nearest: 3, ifEmpty: true },
    { left: Infinity },
  );
  let step = explaining.next();
  while (!step.done) step = explaining.next();
  return step.value.verdict;
}

function read(text: string): CandidateQuery {
  return readCandidateQuery({ query: parseQuery(text), microversion: MAX_MICROVERSION });
}

function round(number: number): number {
  return Number(number.toPrecision(3));
}
