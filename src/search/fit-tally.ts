import { type Fit, type FitHost, type FitTerms, MAX_PER_HOST, PER_HOST } from "../domain/fit.ts";
import type { IndexReader } from "../index/reader.ts";

/** What one host takes by itself. */
interface HostFit {
  readonly count: number;
  readonly atMost: number;
  readonly boundedBy: string;
  /** Whether it shares providers with other hosts. */
  readonly isPooled: boolean;
}

/** Adds up what fits on hosts, within the terms. */
export class FitTally {
  readonly #terms: FitTerms;
  readonly #now: Sum;
  readonly #ifEmpty: Sum;
  readonly #boundedBy = new Map<string, number>();
  readonly #perHost: number[] = PER_HOST.map(() => 0);
  readonly #hosts: FitHost[] = [];

  constructor(terms: FitTerms) {
    this.#terms = terms;
    this.#now = new Sum(terms);
    this.#ifEmpty = new Sum(terms);
  }

  /** How many more the terms allow on a host that has been given none. */
  allowance(index: IndexReader, root: number, isEmpty: boolean): number {
    const sum = isEmpty ? this.#ifEmpty : this.#now;
    return Math.min(this.#terms.maxPerHost, sum.left(index, root));
  }

  /** A host of one provider: exactly so many. */
  addLone(index: IndexReader, root: number, count: number, boundedBy: string): void {
    if (count === 0) return;
    this.#now.add(index, root, count, false, Math.min(count, this.#now.left(index, root)));
    this.#count(index, root, count, boundedBy);
  }

  addLoneIfEmpty(index: IndexReader, root: number, count: number): void {
    if (count === 0) return;
    this.#ifEmpty.add(index, root, count, false, Math.min(count, this.#ifEmpty.left(index, root)));
  }

  /** @param allotted how many it gets, which is less than it could take where it shares with others */
  add(index: IndexReader, root: number, host: HostFit, allotted: number): void {
    if (host.count === 0) return;
    this.#now.add(index, root, host.atMost, host.isPooled, allotted);
    this.#count(index, root, host.count, host.boundedBy);
  }

  addIfEmpty(index: IndexReader, root: number, host: HostFit, allotted: number): void {
    if (host.count === 0) return;
    this.#ifEmpty.add(index, root, host.atMost, host.isPooled, allotted);
  }

  /** @param pooledAtMost what the sums of all that hosts share allow them altogether */
  result(ofHosts: number, pooledAtMost: number): Fit {
    const { total, hosts, byAggregate } = this.#now;
    return {
      total,
      atMost: this.#now.atMost(pooledAtMost),
      hostsWithRoom: hosts,
      ofHosts,
      ifEmpty: { total: this.#ifEmpty.total, hostsWithRoom: this.#ifEmpty.hosts },
      boundedBy: new Map([...this.#boundedBy].sort(([, a], [, b]) => b - a)),
      perHost: this.#perHost.map((count, range) => (range === 0 ? ofHosts - hosts : count)),
      hosts: this.#hosts,
      byAggregate,
    };
  }

  #count(index: IndexReader, root: number, count: number, boundedBy: string): void {
    let range = PER_HOST.length - 1;
    while (count < PER_HOST[range]!.from) range -= 1;
    this.#perHost[range]! += 1;
    this.#boundedBy.set(boundedBy, (this.#boundedBy.get(boundedBy) ?? 0) + 1);
    this.#rank(index, root, count, boundedBy);
  }

  #rank(index: IndexReader, root: number, count: number, boundedBy: string): void {
    const hosts = this.#hosts;
    const isFull = hosts.length >= this.#terms.hosts;
    const last = hosts.at(-1);
    if (isFull && (last === undefined || count < last.count)) return;
    const name = index.nameOf(root);
    if (isFull && count === last!.count && name >= last!.root.name) return;
    const place = hosts.findIndex(
      (it) => it.count < count || (it.count === count && it.root.name > name),
    );
    const host = { root: { uuid: index.uuidOf(root), name }, count, boundedBy };
    hosts.splice(place < 0 ? hosts.length : place, 0, host);
    if (isFull) hosts.pop();
  }
}

/** What one host takes within the limit on each host, and why not more. */
export function withinHostLimit(
  { count, atMost, boundedBy }: Omit<HostFit, "isPooled">,
  isPooled: boolean,
  maxPerHost: number,
): HostFit {
  const isLimited = maxPerHost < atMost && count >= maxPerHost;
  return {
    count: Math.min(count, maxPerHost),
    atMost: Math.min(atMost, maxPerHost),
    boundedBy: isLimited ? MAX_PER_HOST : boundedBy,
    isPooled,
  };
}

/** What fits on all hosts in one state. */
class Sum {
  total = 0;
  hosts = 0;
  readonly byAggregate: Map<string, number>;
  readonly #max: number;
  /** Of each aggregate that has a limit. */
  readonly #left: Map<string, number>;
  readonly #limiting: Memberships;
  readonly #told: Memberships;
  readonly #bounds: readonly [alone: UpperBound, pooled: UpperBound];

  constructor({ byAggregate, maxPerAggregate }: FitTerms) {
    this.byAggregate = new Map(byAggregate.map((uuid) => [uuid, 0]));
    this.#max = maxPerAggregate.max;
    this.#left = new Map(maxPerAggregate.aggregates.map((uuid) => [uuid, maxPerAggregate.max]));
    this.#limiting = new Memberships(this.#left.keys());
    this.#told = new Memberships(this.byAggregate.keys());
    this.#bounds = [new UpperBound(), new UpperBound()];
  }

  left(index: IndexReader, root: number): number {
    let least = Infinity;
    for (const uuid of this.#limiting.of(index, root)) {
      least = Math.min(least, this.#left.get(uuid)!);
    }
    return least;
  }

  add(index: IndexReader, root: number, atMost: number, isPooled: boolean, allotted: number): void {
    this.hosts += 1;
    this.total += allotted;
    for (const uuid of this.#told.of(index, root)) {
      this.byAggregate.set(uuid, this.byAggregate.get(uuid)! + allotted);
    }
    const limiting = this.#limiting.of(index, root);
    for (const uuid of limiting) this.#left.set(uuid, this.#left.get(uuid)! - allotted);
    this.#bounds[isPooled ? 1 : 0].add(limiting[0], atMost);
  }

  atMost(pooledAtMost: number): number {
    const [alone, pooled] = this.#bounds;
    return Math.min(alone.with(pooled).sum(this.#max), alone.sum(this.#max) + pooledAtMost);
  }
}

/** To which of some aggregates the roots of hosts belong, worked out once for each set of aggregates. */
class Memberships {
  readonly #aggregates: readonly string[];
  #index: IndexReader | undefined;
  #ofSet: (readonly string[])[] = [];

  constructor(aggregates: Iterable<string>) {
    this.#aggregates = [...aggregates];
  }

  of(index: IndexReader, root: number): readonly string[] {
    if (this.#aggregates.length === 0) return NONE;
    if (this.#index !== index) {
      this.#index = index;
      this.#ofSet = [];
    }
    const set = index.aggregateSetOf(root);
    return (this.#ofSet[set] ??= this.#aggregates.filter((uuid) => {
      const number = index.aggregateNumber(uuid);
      return number !== undefined && index.aggregateSets.has(set, number);
    }));
  }
}

const NONE: readonly string[] = [];

/** What hosts could take at most, apart for each aggregate that has a limit; each host in one of them. */
class UpperBound {
  #unlimited = 0;
  readonly #sums = new Map<string, number>();

  add(aggregate: string | undefined, atMost: number): void {
    if (aggregate === undefined) this.#unlimited += atMost;
    else this.#sums.set(aggregate, (this.#sums.get(aggregate) ?? 0) + atMost);
  }

  with(other: UpperBound): UpperBound {
    const both = new UpperBound();
    for (const { sums, unlimited } of [this.#parts, other.#parts]) {
      both.add(undefined, unlimited);
      for (const [aggregate, sum] of sums) both.add(aggregate, sum);
    }
    return both;
  }

  get #parts() {
    return { sums: this.#sums, unlimited: this.#unlimited };
  }

  sum(max: number): number {
    let total = this.#unlimited;
    for (const sum of this.#sums.values()) total += Math.min(sum, max);
    return total;
  }
}
