import { TraitNotFound, ResourceClassNotFound } from "../domain/errors.ts";
import type { IndexReader, Sets } from "./reader.ts";

/**
 * A condition on a set of a `SetPool`, evaluated once for each set that occurs.
 *
 * May be kept as long as the rows it is asked about: their sets keep their numbers.
 */
export class SetCondition {
  readonly #answers: boolean[] = [];
  readonly #pool: Sets;
  readonly #isMetBy: (members: Int32Array) => boolean;

  constructor(pool: Sets, isMetBy: (members: Int32Array) => boolean) {
    this.#pool = pool;
    this.#isMetBy = isMetBy;
  }

  isMetBy(set: number): boolean {
    return (this.#answers[set] ??= this.#isMetBy(this.#pool.members(set)));
  }
}

/** Some of each of `required`, and none of `forbidden`. */
export function hasAnyOfEachAndNone(
  required: readonly ReadonlySet<number>[],
  forbidden: ReadonlySet<number>,
): (members: Int32Array) => boolean {
  const setsOfMember = new Map<number, number[]>();
  required.forEach((anyOf, number) => {
    for (const member of anyOf) {
      const sets = setsOfMember.get(member);
      if (sets === undefined) setsOfMember.set(member, [number]);
      else sets.push(number);
    }
  });
  // Linear in the members, also where a thousand are asked for.
  return (members) => {
    const met = new Set<number>();
    for (const member of members) {
      if (forbidden.has(member)) return false;
      for (const set of setsOfMember.get(member) ?? NO_SETS) met.add(set);
    }
    return met.size === required.length;
  };
}

const NO_SETS: readonly number[] = [];

/** @throws ResourceClassNotFound */
export function resourceClassId(index: IndexReader, name: string): number {
  const id = index.resourceClasses.idOf(name);
  if (id === undefined) throw new ResourceClassNotFound(name);
  return id;
}

/** @throws TraitNotFound */
export function traitIds(index: IndexReader, names: Iterable<string>): ReadonlySet<number> {
  const ids = new Set<number>();
  for (const name of names) {
    const id = index.traits.idOf(name);
    if (id === undefined) throw new TraitNotFound(name);
    ids.add(id);
  }
  return ids;
}

/** The numbers of the aggregates that any provider has ever been in; the others have no members. */
export function aggregateNumbers(index: IndexReader, uuids: Iterable<string>): ReadonlySet<number> {
  const numbers = new Set<number>();
  for (const uuid of uuids) {
    const number = index.aggregateNumber(uuid);
    if (number !== undefined) numbers.add(number);
  }
  return numbers;
}
