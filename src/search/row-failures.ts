import type { CandidateQuery } from "../domain/candidate-query.ts";
import type { NamedConstraint } from "../domain/query-constraints.ts";
import { isOfGroup } from "../domain/told-constraints.ts";
import { traitIds } from "../index/conditions.ts";
import type { IndexReader } from "../index/reader.ts";
import { type ConstraintMasks, isCollective, lowestBit } from "./constraint-masks.ts";
import { type PlacedRow, RowMasks } from "./row-masks.ts";
import { SetMasks } from "./set-masks.ts";

/** So many bits a number has beside its sign. */
const BITS = 31;

/** What a candidate chooses a provider for, and what tells whether one will do. */
interface Choice {
  /** The place of its mask among the numbers of a row, and its bits there. */
  readonly place: number;
  readonly bits: number;
  readonly isUnsuffixed: boolean;
}

/** Traits that the providers of the unsuffixed group must have together, of which a mask tells who lacks which. */
interface Collective {
  readonly place: number;
  readonly bits: number;
  /** Per bit of the mask, the bit of the constraint; undefined where they are the same. */
  readonly told: readonly number[] | undefined;
}

/**
 * For the providers of a tree, in some numbers each, what they fail: as much as tells one tree from another,
 * whatever is left out of the query, and what follows from it about all of them.
 *
 * As long as each constraint has a bit of its own, one mask says it. Where some are taken together, a provider may
 * fail them for one choice and not for another: then each choice has a mask, and so have traits that are
 * required of several providers together.
 */
export class RowFailures {
  /** So many numbers each row has. */
  readonly width: number;
  readonly #masks: ConstraintMasks;
  /** So many of them are masks of what is told. */
  readonly #masksByRow: number;
  /** Undefined where one mask says it all. */
  readonly #groups: readonly GroupMasks[] | undefined;
  readonly #choices: readonly Choice[];
  readonly #collectives: readonly Collective[];
  readonly #traits: readonly SetMasks[] = [];
  readonly #index: IndexReader;
  readonly #amountBits: number;
  /** Of two or more aggregates that are asked for, a provider may be in one and its root in the other. */
  readonly #tellsMembers: boolean;

  constructor(index: IndexReader, query: CandidateQuery, masks: ConstraintMasks) {
    this.#index = index;
    this.#masks = masks;
    this.#amountBits = masks.bitsOf(({ kind }) => kind === "resource");
    const members = masks.bitsOf(isUnsuffixedMember);
    this.#tellsMembers = (members & (members - 1)) !== 0;
    if (masks.areSomeTogether) {
      this.#groups = groupsOf(index, query, masks);
      const choices = this.#groups.flatMap(({ amounts, isUnsuffixed }) =>
        amounts.map(() => isUnsuffixed),
      );
      this.#choices = choices.map((isUnsuffixed, place) => ({ place, bits: -1, isUnsuffixed }));
      const parts = chunked(collectiveTraits(index, masks));
      this.#traits = parts.map((part) => traitMasks(index, part));
      this.#collectives = parts.map((part, number) => ({
        place: choices.length + number,
        bits: -1,
        told: part.map(({ bit }) => bit),
      }));
      this.#masksByRow = choices.length;
    } else {
      this.#choices = choicesInOneMask(query, masks);
      this.#collectives = [{ place: 0, bits: masks.collectiveBits, told: undefined }];
      this.#masksByRow = 1;
    }
    this.width = this.#masksByRow + this.#traits.length + (this.#tellsMembers ? 2 : 0);
  }

  /** Adds the numbers of a row. */
  add(placed: PlacedRow, numbers: number[]): void {
    const { row, root, isShared } = placed;
    if (this.#groups === undefined) numbers.push(this.#masks.of(placed));
    else this.#addOfGroups(this.#groups, placed, false, numbers);
    for (const traits of this.#traits) numbers.push(traits.of(this.#index.traitSetOf(row)));
    if (!this.#tellsMembers) return;
    const { ofRow } = this.#masks;
    numbers.push(ofRow.membersOf(row), isShared ? -1 : ofRow.membersOf(root));
  }

  /** Adds what they would be if nothing were used, given those that are at `start`. */
  addIfEmpty(
    placed: PlacedRow,
    present: readonly number[],
    start: number,
    numbers: number[],
  ): void {
    if (this.#groups === undefined) {
      const mask = present[start]!;
      const amounts = mask & this.#amountBits;
      const { ofRow } = this.#masks;
      numbers.push(
        amounts === 0 ? mask : (mask & ~amounts) | ofRow.amountsIfEmpty(placed.row, amounts),
      );
    } else this.#addOfGroups(this.#groups, placed, true, numbers);
    for (let place = this.#masksByRow; place < this.width; place++) {
      numbers.push(present[start + place]!);
    }
  }

  #addOfGroups(
    groups: readonly GroupMasks[],
    placed: PlacedRow,
    isEmpty: boolean,
    numbers: number[],
  ): void {
    const { row } = placed;
    for (const { others, amounts } of groups) {
      const mask = others.withoutAmounts(placed);
      for (const ofChoice of amounts) {
        numbers.push(mask | (isEmpty ? ofChoice.amountsIfEmpty(row, -1) : ofChoice.amounts(row)));
      }
    }
  }

  /** Bits of what no provider meets for some choice, which has to be left out for anything to fit. */
  mustOf(numbers: readonly number[]): number {
    let must = 0;
    for (let place = 0; place < this.#masksByRow; place++) {
      must |= this.#failedByAll(numbers, place, -1);
    }
    return must | this.#lackedByAll(numbers);
  }

  /** In order, the bit of the constraint after which no provider is left for some choice; Infinity for none. */
  eliminatedAt(numbers: readonly number[]): number {
    const lacking = this.#lackedByAll(numbers);
    let lowest = lacking === 0 ? Infinity : lowestBit(lacking);
    for (const choice of this.#choices) {
      let latest = -1;
      for (let start = 0; start < numbers.length; start += this.width) {
        latest = Math.max(latest, this.#failsAt(numbers, start, choice));
      }
      lowest = Math.min(lowest, latest);
    }
    return lowest;
  }

  /** The first bit that a row fails for a choice; Infinity for none. */
  #failsAt(numbers: readonly number[], start: number, choice: Choice): number {
    const mask = numbers[start + choice.place]! & choice.bits;
    const first = mask === 0 ? Infinity : lowestBit(mask);
    if (!this.#tellsMembers || !choice.isUnsuffixed) return first;
    const own = numbers[start + this.width - 2]!;
    const ofRoot = numbers[start + this.width - 1]!;
    if (own === 0 || ofRoot === 0) return first;
    return Math.min(first, Math.max(lowestBit(own), lowestBit(ofRoot)));
  }

  #lackedByAll(numbers: readonly number[]): number {
    let lacked = 0;
    for (const { place, bits, told } of this.#collectives) {
      const lacking = this.#failedByAll(numbers, place, bits);
      if (told === undefined) lacked |= lacking;
      else {
        for (let left = lacking; left !== 0; left &= left - 1) lacked |= told[lowestBit(left)]!;
      }
    }
    return lacked;
  }

  #failedByAll(numbers: readonly number[], place: number, bits: number): number {
    let failed = bits;
    for (let at = place; at < numbers.length; at += this.width) failed &= numbers[at]!;
    return failed;
  }
}

function isUnsuffixedMember({ kind, suffix }: NamedConstraint): boolean {
  return kind === "member_of" && suffix === "";
}

function choicesInOneMask({ groups }: CandidateQuery, masks: ConstraintMasks): Choice[] {
  return groups.flatMap(({ suffix, resources }): Choice[] => {
    const bits = masks.bitsOf((it) => it.suffix === suffix && isOfGroup(it));
    if (suffix !== "") return [{ place: 0, bits, isUnsuffixed: false }];
    return Array.from(resources.keys(), (name) => {
      const isOther = (it: NamedConstraint) => it.kind === "resource" && it.resourceClass !== name;
      const others = masks.bitsOf((it) => it.suffix === "" && isOther(it));
      return { place: 0, bits: bits & ~others & ~masks.collectiveBits, isUnsuffixed: true };
    });
  });
}

/** What a provider fails of one group. */
interface GroupMasks {
  readonly isUnsuffixed: boolean;
  /** Of all that is not about amounts, nor about several providers. */
  readonly others: RowMasks;
  /** Per choice of the group. */
  readonly amounts: readonly RowMasks[];
}

function groupsOf(index: IndexReader, query: CandidateQuery, masks: ConstraintMasks): GroupMasks[] {
  const ofGroup = Map.groupBy(
    masks.bits.filter(({ constraint }) => isOfGroup(constraint) && !isCollective(constraint)),
    ({ constraint }) => constraint.suffix,
  );
  return query.groups.map(({ suffix }) => {
    const bits = ofGroup.get(suffix) ?? [];
    const amounts = bits.filter(({ constraint }) => constraint.kind === "resource");
    const isUnsuffixed = suffix === "";
    const choices = isUnsuffixed ? amounts.map((amount) => [amount]) : [amounts];
    return {
      isUnsuffixed,
      others: new RowMasks(
        index,
        query,
        bits.filter(({ constraint }) => constraint.kind !== "resource"),
      ),
      amounts: choices.map((some) => new RowMasks(index, query, some)),
    };
  });
}

/** A trait that is required of the unsuffixed group, or one of several. */
interface CollectiveTrait {
  /** Of what it is told with. */
  readonly bit: number;
  readonly members: ReadonlySet<number>;
}

function collectiveTraits(index: IndexReader, { bits }: ConstraintMasks): CollectiveTrait[] {
  return bits.flatMap(({ constraint: it, bit }) =>
    it.kind === "required_trait" && isCollective(it)
      ? [{ bit, members: traitIds(index, it.traits) }]
      : [],
  );
}

function traitMasks(index: IndexReader, traits: readonly CollectiveTrait[]): SetMasks {
  return new SetMasks(index.traitSets, (add) => {
    for (const [number, { members }] of traits.entries()) add({ bit: 1 << number, members });
  });
}

function chunked<T>(items: readonly T[]): T[][] {
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += BITS) {
    chunks.push(items.slice(start, start + BITS));
  }
  return chunks;
}
