import type { DatabaseContext } from "../db/change.ts";
import type { CandidateQuery } from "../domain/candidate-query.ts";
import type { Preference } from "../domain/preference.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "../search/budget.ts";
import { allocationsOf, nameCandidate, type NamedCandidate } from "../search/candidate.ts";
import { searchCandidates, type CandidateSearch, type SearchOptions } from "../search/search.ts";
import { findTrees } from "./host-trees.ts";
import { searchInSlices } from "./search-in-slices.ts";
import type { Service } from "./service.ts";
import { turns } from "./turns.ts";

export interface Wish {
  /** Its limit is ignored. */
  readonly query: CandidateQuery;
  readonly prefer: Preference;
  /** Of how many candidates, drawn at random from different hosts, `pack` and `spread` take the best; 0 for all. */
  readonly among: number;
  /** UUIDs or names of providers: nothing is taken from their trees. */
  readonly notOn: readonly string[];
}

interface Proposals {
  /** The best first. */
  readonly proposals: readonly NamedCandidate[];
  /** Of so many candidates. */
  readonly considered: number;
}

/** So many are tried in place: each costs some microseconds, and to be refused costs another search. */
const MAX_PROPOSALS = 16;

/** However many there are: what is kept of each while the best are looked for is nothing. */
const MAX_CONSIDERED = 100_000;

/**
 * Candidates of a query on the read model as it is now, in the order in which they are to be tried.
 *
 * @param signal aborted when nobody waits any more
 * @throws ResourceClassNotFound, TraitNotFound for names that do not exist; HostNotFound;
 *   SearchEffortExceeded, TooManySearches, CandidatesOutdated
 */
export async function proposeCandidates(
  service: Service,
  context: DatabaseContext & Pick<RequestContext, "userId">,
  wish: Wish,
  signal: AbortSignal,
): Promise<Proposals> {
  const client = context.userId ?? "";
  const index = await service.freshIndex(context);
  if (!turns.canBegin()) await turns.waitToBegin(client);
  const terms = { client, maxEffort: service.config.stowage.maxSearchEffort, signal };
  return searchInSlices(index, terms, (budget) => propose(index, index.time, wish, budget));
}

function* propose(
  index: IndexReader,
  time: number,
  wish: Wish,
  budget: Budget,
): Generator<void, Proposals> {
  const avoided = wish.notOn.length > 0 ? yield* findTrees(index, time, wish.notOn, budget) : NONE;
  const most = mostOf(wish);
  const query = { ...wish.query, limit: undefined };
  const search = searchCandidates(index, time, query, optionsOf(wish, most, avoided.size > 0));
  const best = new Best(scoring(wish.prefer, index, search));
  let considered = 0;
  while (considered < most) {
    const progress = search.next(budget);
    if (progress === "done") break;
    if (progress === "found" && !search.rows.some((row) => avoided.has(index.treeOf(row)))) {
      considered += 1;
      best.add(search.rows);
    }
    if (budget.left <= 0) yield;
  }
  const { choices } = search.plan;
  return { proposals: best.rows.map((rows) => nameCandidate(index, choices, rows)), considered };
}

const NONE: ReadonlySet<number> = new Set();

function mostOf({ prefer, among }: Wish): number {
  if (prefer === "first" || prefer === "random") return MAX_PROPOSALS;
  return among === 0 ? MAX_CONSIDERED : among;
}

function optionsOf({ prefer, among }: Wish, most: number, avoidsAny: boolean): SearchOptions {
  if (prefer === "first") return { strategy: "depth-first", maxCandidates: -1 };
  // Of all, there is no need to draw any.
  if (prefer !== "random" && among === 0) return { strategy: "breadth-first", maxCandidates: -1 };
  const maxCandidates = avoidsAny ? MAX_CONSIDERED : most;
  return { strategy: "breadth-first", maxCandidates, random: Math.random };
}

type Score = (rows: readonly number[]) => number;

/** Higher is better; undefined where the order in which they are found counts. */
function scoring(
  prefer: Preference,
  index: IndexReader,
  { plan: { choices } }: CandidateSearch,
): Score | undefined {
  if (prefer === "first" || prefer === "random") return undefined;
  const sign = prefer === "pack" ? 1 : -1;
  return (rows) => sign * shareInUse(index, allocationsOf(choices, rows));
}

/** The mean share of the inventories that a candidate takes from which would be in use with it. */
function shareInUse(
  index: IndexReader,
  allocations: ReadonlyMap<number, ReadonlyMap<string, number>>,
): number {
  let sum = 0;
  let count = 0;
  for (const [row, amounts] of allocations) {
    for (const [name, amount] of amounts) {
      const column = index.column(index.resourceClasses.idOf(name) ?? -1);
      if (!column) continue;
      sum += (column.used(row) + amount) / column.capacity(row);
      count += 1;
    }
  }
  return count === 0 ? 0 : sum / count;
}

/** The best few of many, the best first; of those that are as good, any. */
class Best {
  readonly #score: Score | undefined;
  readonly #best: { readonly rows: readonly number[]; readonly rank: readonly [number, number] }[] =
    [];

  constructor(score: Score | undefined) {
    this.#score = score;
  }

  get rows(): readonly (readonly number[])[] {
    return this.#best.map(({ rows }) => rows);
  }

  add(rows: readonly number[]): void {
    const best = this.#best;
    const rank = this.#score ? ([this.#score(rows), Math.random()] as const) : NO_RANK;
    if (best.length === MAX_PROPOSALS && !isBetter(rank, best.at(-1)!.rank)) return;
    const found = best.findIndex((other) => isBetter(rank, other.rank));
    best.splice(found === -1 ? best.length : found, 0, { rows: [...rows], rank });
    if (best.length > MAX_PROPOSALS) best.pop();
  }
}

const NO_RANK = [0, 0] as const;

function isBetter(left: readonly [number, number], right: readonly [number, number]): boolean {
  return left[0] === right[0] ? left[1] > right[1] : left[0] > right[0];
}
