import { PlacementError } from "./errors.ts";
import type { UnknownName } from "./explanation.ts";

/** A request among several names classes or traits that do not exist. */
export class UnknownNamesInFlavor extends PlacementError {
  readonly flavor: string;
  readonly names: readonly UnknownName[];

  constructor(flavor: string, names: readonly UnknownName[]) {
    super(`${flavor} names what does not exist: ${names.map(({ name }) => name).join(", ")}`);
    this.flavor = flavor;
    this.names = names;
  }
}

/** No provider is in an aggregate. */
export class AggregateNotFound extends PlacementError {
  readonly uuid: string;

  constructor(uuid: string) {
    super(`No resource provider is in an aggregate ${uuid}.`);
    this.uuid = uuid;
  }
}

/** Something that a fleet is supposed to be makes no sense for the fleet as it is. */
export class InvalidSupposition extends PlacementError {
  /** Which one, from 0. */
  readonly number: number;
  /** Whether it is only too much. */
  readonly isTooLarge: boolean;

  constructor(number: number, reason: string, isTooLarge = false) {
    super(reason);
    this.number = number;
    this.isTooLarge = isTooLarge;
  }
}
