import type { GangMember, GangRule, GangShortfall } from "../domain/gang.ts";
import type { Preference } from "../domain/preference.ts";
import { STEPS_OF_SEARCH, type Budget } from "./budget.ts";
import type { FleetPart } from "./fleet-part.ts";
import { GangHosts, type GangHost, type PlacedMember } from "./gang-hosts.ts";
import { GangRules } from "./gang-rules.ts";
import { Rooms } from "./rooms.ts";

export interface GangQuestion {
  readonly members: readonly GangMember[];
  readonly rules: readonly GangRule[];
  readonly prefer: Preference;
  /** Trees from which nothing is to be taken. */
  readonly avoided: ReadonlySet<number>;
  /** Numbers from 0 up to 1. */
  readonly random: () => number;
}

/** So many hosts are remembered for all kinds of members together; for those beyond, they are looked for again. */
const MAX_KNOWN = 1_000_000;

/** One try to place a gang, from what is in use in the index. */
export class GangAttempt {
  readonly #part: FleetPart;
  readonly #question: GangQuestion;
  readonly #within: ReadonlyMap<GangRule, string>;
  readonly #restart: number;
  readonly #rooms = new Rooms(false);
  readonly #rules: GangRules;
  readonly #placed: PlacedMember[] = [];
  readonly #counts: number[];
  #shares = 0;
  #areAllLone = true;
  #isOneImpossible = false;

  /**
   * @param within which aggregate the members of each rule of that kind are to be in
   * @param restart from 0: later ones go through members and hosts in other orders
   */
  constructor(
    part: FleetPart,
    question: GangQuestion,
    within: ReadonlyMap<GangRule, string>,
    restart: number,
  ) {
    this.#part = part;
    this.#question = question;
    this.#within = within;
    this.#restart = restart;
    this.#rules = new GangRules(part.index, question.rules, within);
    this.#counts = question.members.map(() => 0);
  }

  /** Higher is better: by the shares in use on the hosts that were taken. */
  get score(): number {
    return (this.#question.prefer === "pack" ? 1 : -1) * this.#shares;
  }

  /** Whether a refusal is proven: no other order would find more. */
  get isExact(): boolean {
    if (this.#isOneImpossible) return true;
    return this.#question.members.length === 1 && this.#areAllLone && this.#rules.areExact;
  }

  shortfall(): GangShortfall {
    const [aggregate] = this.#within.values();
    const members = this.#question.members.map(({ name, count }, member) => ({
      name,
      count,
      placed: this.#counts[member]!,
    }));
    return { members, aggregate, isExact: this.isExact };
  }

  /** @returns in the order of the members; undefined where not all could be placed within the rules */
  *run(budget: Budget): Generator<void, readonly PlacedMember[] | undefined> {
    const { members, prefer } = this.#question;
    const hosts: GangHosts[] = [];
    for (const member of members) {
      hosts.push(new GangHosts(this.#part, member, this.#rooms, this.#preferenceOf(prefer)));
      budget.left -= STEPS_OF_SEARCH;
      if (budget.left <= 0) yield;
    }
    yield* this.#findAll(hosts, budget);
    for (const member of this.#order(hosts)) {
      const each = hosts[member]!;
      if (!each.areKnown) yield* this.#find(member, each, budget);
      if (!(yield* this.#placeAll(member, each, budget))) return undefined;
      each.forget();
    }
    if (!this.#rules.areMet) return undefined;
    return this.#placed.toSorted((left, right) => left.member - right.member);
  }

  /** What is tried anew takes hosts at random, where the order that is preferred has led nowhere. */
  #preferenceOf(prefer: GangQuestion["prefer"]): GangQuestion["prefer"] {
    return this.#restart < 2 ? prefer : "random";
  }

  /** Those that few hosts could have first, and of these the largest; later, any order. */
  #order(hosts: readonly GangHosts[]): number[] {
    const { random } = this.#question;
    const numbers = [...hosts.keys()];
    if (this.#restart > 0) {
      const keys = numbers.map(random);
      return numbers.sort((left, right) => keys[left]! - keys[right]!);
    }
    return numbers.sort((left, right) => {
      const [one, other] = [hosts[left]!, hosts[right]!];
      return one.found - other.found || other.amount - one.amount;
    });
  }

  *#findAll(hosts: readonly GangHosts[], budget: Budget): Generator<void, void> {
    let known = 0;
    for (const [member, each] of hosts.entries()) {
      yield* this.#find(member, each, budget);
      this.#areAllLone &&= each.areLone;
      for (const { root } of each.hosts) {
        budget.left -= 1;
        if (budget.left <= 0) yield;
        this.#rules.lookAt(root);
      }
      known += each.found;
      if (known <= MAX_KNOWN || hosts.length === 1) continue;
      known -= each.found;
      each.forget();
    }
  }

  *#find(member: number, hosts: GangHosts, budget: Budget): Generator<void, void> {
    const { members, avoided, random } = this.#question;
    const { name } = members[member]!;
    const mayBe = (tree: number, root: number) =>
      !avoided.has(tree) && this.#rules.mayEverBe(name, root);
    yield* hosts.find(mayBe, random, budget);
  }

  *#placeAll(member: number, hosts: GangHosts, budget: Budget): Generator<void, boolean> {
    const { count } = this.#question.members[member]!;
    const isFirst = this.#placed.length === 0;
    for (let number = 0; number < count; number += 1) {
      const placed = yield* this.#placeOne(member, hosts, budget);
      if (!placed) {
        this.#isOneImpossible = isFirst && number === 0;
        return false;
      }
      this.#placed.push(placed);
      this.#counts[member]! += 1;
    }
    return true;
  }

  *#placeOne(
    member: number,
    hosts: GangHosts,
    budget: Budget,
  ): Generator<void, PlacedMember | undefined> {
    const { name } = this.#question.members[member]!;
    // A host in an aggregate that a rule still lacks comes first, so that the rules are met while they can be.
    const lacks = (host: GangHost) => this.#rules.gainOf(name, host.root) > 0;
    for (const isWanted of this.#rules.isAnyLacking(name) ? [lacks, any] : [any]) {
      for (let at = 0; at < hosts.hosts.length;) {
        budget.left -= 1;
        if (budget.left <= 0) yield;
        const host = hosts.hosts[at]!;
        if (!this.#rules.mayBe(name, host.root) || !isWanted(host)) {
          at += 1;
          continue;
        }
        const placed = yield* hosts.place(at, member, budget);
        if (!placed) continue;
        this.#rules.note(name, host.root);
        this.#shares += host.share;
        return placed;
      }
    }
    return undefined;
  }
}

function any(): boolean {
  return true;
}
