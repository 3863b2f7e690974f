import type { GangMember } from "../domain/gang.ts";
import type { Preference } from "../domain/preference.ts";
import { findsAnother, openAnchor } from "./anchoring.ts";
import { sortedWithin, type Budget } from "./budget.ts";
import { nameCandidate, type NamedCandidate } from "./candidate.ts";
import { Demand } from "./demand.ts";
import { SearchNotes } from "./failed-shapes.ts";
import type { FleetPart } from "./fleet-part.ts";
import type { Rooms } from "./rooms.ts";
import { SearchPlan } from "./search-plan.ts";

/** So many bits of the number of hosts that move up in an array are one step: that is quick, but for many. */
const MOVED_IN_A_STEP = 10;

/** A tree that may have members of a gang. */
export interface GangHost {
  readonly tree: number;
  readonly root: number;
  /** The mean share of what the next member would take from that is in use with it; for pack and spread. */
  share: number;
}

/** What one member takes where. */
export interface PlacedMember extends NamedCandidate {
  /** The name and place among those of the same name. */
  readonly member: number;
}

/** The hosts for one kind of members, in the order in which they are preferred. */
export class GangHosts {
  readonly #part: FleetPart;
  readonly #plan: SearchPlan;
  readonly #demand: Demand;
  readonly #notes = new SearchNotes();
  readonly #rooms: Rooms;
  readonly #prefer: Preference;
  #hosts: GangHost[] | undefined;
  #found = 0;
  /** Whether each host is one provider, and shares nothing: then it takes one as often as it has room for. */
  areLone = true;

  /** @throws ResourceClassNotFound, TraitNotFound */
  constructor(part: FleetPart, { query }: GangMember, rooms: Rooms, prefer: Preference) {
    this.#part = part;
    this.#rooms = rooms;
    this.#prefer = prefer;
    const asked = { ...query, limit: undefined };
    this.#plan = new SearchPlan(part.index, part.time, asked, { rooms });
    this.#demand = new Demand(this.#plan);
  }

  /** From the one that is preferred most; none where they are not known. */
  get hosts(): readonly GangHost[] {
    return this.#hosts ?? [];
  }

  /** Whether they were looked for, and are not forgotten. */
  get areKnown(): boolean {
    return this.#hosts !== undefined;
  }

  /** How many there were when they were looked for. */
  get found(): number {
    return this.#found;
  }

  /** Gives their memory back. */
  forget(): void {
    this.#hosts = undefined;
  }

  /** How much one member asks for. */
  get amount(): number {
    return this.#demand.amount;
  }

  /** Looks for the hosts that could have one now. */
  *find(
    mayBe: (tree: number, root: number) => boolean,
    random: () => number,
    budget: Budget,
  ): Generator<void, void> {
    const { index } = this.#part;
    const plan = this.#plan;
    while (!plan.sharing.collect(budget)) yield;
    let hosts: GangHost[] = [];
    const isByShare = this.#prefer === "pack" || this.#prefer === "spread";
    const scan = plan.trees();
    for (;;) {
      budget.left -= 1;
      if (budget.left <= 0) yield;
      const tree = scan.next(budget);
      if (tree === undefined) continue;
      if (tree < 0) break;
      if (this.#part.rootOf(tree) === undefined) continue;
      const root = plan.anchorRoot(tree);
      if (root === undefined || !mayBe(tree, root)) continue;
      const host = { tree, root, share: random() };
      if (this.#part.hasPools || index.trees.nextRow(root) !== root) this.areLone = false;
      if (isByShare) {
        const rows = yield* this.#candidate(host, budget);
        if (!rows) continue;
        host.share = this.#shareWith(rows);
      }
      hosts.push(host);
    }
    if (this.#prefer !== "first") {
      hosts = yield* sortedWithin(budget, hosts, (left, right) => this.#order(left, right));
    }
    this.#hosts = hosts;
    this.#found = hosts.length;
  }

  /**
   * Takes what one member asks for from a host.
   *
   * @returns undefined where there is no room any more; then the host is none any more
   */
  *place(at: number, member: number, budget: Budget): Generator<void, PlacedMember | undefined> {
    const hosts = this.#hosts!;
    const host = hosts[at]!;
    const rows = yield* this.#candidate(host, budget);
    budget.left -= hosts.length >>> MOVED_IN_A_STEP;
    if (!rows) {
      hosts.splice(at, 1);
      return undefined;
    }
    this.#demand.take(rows, 1, this.#rooms);
    this.#rank(hosts, at, rows);
    return { member, ...nameCandidate(this.#part.index, this.#plan.choices, rows) };
  }

  *#candidate(host: GangHost, budget: Budget): Generator<void, readonly number[] | undefined> {
    const search = yield* openAnchor(this.#plan, host, this.#notes, budget);
    if (search === undefined || !(yield* findsAnother(search, budget))) return undefined;
    return [...search.rows];
  }

  /** Puts a host that has got a member where it belongs now. */
  #rank(hosts: GangHost[], at: number, rows: readonly number[]): void {
    if (this.#prefer === "first") return;
    const [host] = hosts.splice(at, 1);
    if (this.#prefer === "random") {
      // All others are as good, and less full.
      hosts.push(host!);
      return;
    }
    host!.share = this.#shareWith(rows);
    let [from, to] = [0, hosts.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#order(hosts[middle]!, host!) < 0) from = middle + 1;
      else to = middle;
    }
    hosts.splice(from, 0, host!);
  }

  #order(left: GangHost, right: GangHost): number {
    return this.#prefer === "pack" ? right.share - left.share : left.share - right.share;
  }

  #shareWith(rows: readonly number[]): number {
    return this.#demand.shareInUse(rows, this.#rooms);
  }
}
