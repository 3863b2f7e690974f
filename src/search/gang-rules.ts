import type { GangRule } from "../domain/gang.ts";
import type { IndexReader } from "../index/reader.ts";

type AtLeast = Extract<GangRule, { kind: "at least" }>;

/** What the rules of a gang leave while its members are placed. */
export class GangRules {
  readonly #index: IndexReader;
  readonly #rules: readonly GangRule[];
  readonly #within: ReadonlyMap<GangRule, string>;
  /** Per rule on the number of members of a host, how many it has. */
  readonly #onHost = new Map<GangRule, Map<number, number>>();
  /** Per rule on the number of aggregates, those that have members. */
  readonly #taken = new Map<AtLeast, Set<string>>();
  #isAnyHostInSeveral = false;

  constructor(
    index: IndexReader,
    rules: readonly GangRule[],
    within: ReadonlyMap<GangRule, string>,
  ) {
    this.#index = index;
    this.#rules = rules;
    this.#within = within;
    for (const rule of rules) {
      if (rule.kind === "at least") this.#taken.set(rule, new Set());
      if (rule.kind === "max per host") this.#onHost.set(rule, new Map());
    }
  }

  /** Whether a host is where a member has to be. */
  mayEverBe(member: string, root: number): boolean {
    return this.#of(member).every((rule) => {
      const aggregate = this.#within.get(rule);
      return aggregate === undefined || this.#isIn(root, aggregate);
    });
  }

  /** Whether a host may have one more. */
  mayBe(member: string, root: number): boolean {
    return this.#of(member).every(
      (rule) =>
        rule.kind !== "max per host" || (this.#onHost.get(rule)!.get(root) ?? 0) < rule.most,
    );
  }

  note(member: string, root: number): void {
    for (const rule of this.#of(member)) {
      const counts = this.#onHost.get(rule);
      counts?.set(root, (counts.get(root) ?? 0) + 1);
      if (rule.kind !== "at least") continue;
      for (const uuid of this.#aggregatesOf(rule, root)) this.#taken.get(rule)!.add(uuid);
    }
  }

  isAnyLacking(member: string): boolean {
    return this.#lacking(member).length > 0;
  }

  /** For how many rules a member on a host would be in an aggregate that has none yet. */
  gainOf(member: string, root: number): number {
    return this.#lacking(member).filter((rule) => {
      const taken = this.#taken.get(rule)!;
      return this.#aggregatesOf(rule, root).some((uuid) => !taken.has(uuid));
    }).length;
  }

  get areMet(): boolean {
    return this.#taken.entries().every(([rule, { size }]) => size >= rule.least);
  }

  /** Takes note of a host that could have members. */
  lookAt(root: number): void {
    if (this.#isAnyHostInSeveral) return;
    for (const rule of this.#taken.keys()) {
      if (this.#aggregatesOf(rule, root).length > 1) this.#isAnyHostInSeveral = true;
    }
  }

  /** Whether to take any host in an aggregate that lacks members is as good as to take another one. */
  get areExact(): boolean {
    return this.#taken.size === 0 || (this.#taken.size === 1 && !this.#isAnyHostInSeveral);
  }

  #lacking(member: string): AtLeast[] {
    return this.#of(member).filter(
      (rule): rule is AtLeast =>
        rule.kind === "at least" && this.#taken.get(rule)!.size < rule.least,
    );
  }

  #of(member: string): readonly GangRule[] {
    return this.#rules.filter(({ members }) => members.has(member));
  }

  #aggregatesOf({ aggregates }: AtLeast, root: number): string[] {
    return aggregates.filter((uuid) => this.#isIn(root, uuid));
  }

  #isIn(root: number, aggregate: string): boolean {
    const number = this.#index.aggregateNumber(aggregate);
    const set = this.#index.aggregateSetOf(root);
    return number !== undefined && this.#index.aggregateSets.has(set, number);
  }
}
