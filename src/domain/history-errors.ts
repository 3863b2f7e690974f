import { PlacementError } from "./errors.ts";

/** More has changed than can be looked through: the history is behind, or too much happened since. */
export class HistoryTooLong extends PlacementError {
  constructor(why: string) {
    super(`${why}. Please try again later.`);
  }
}

/** What was before is not kept any more, or never was. */
export class HistoryGone extends PlacementError {
  readonly keptSince: Date;

  constructor(keptSince: Date) {
    super(`What was before ${keptSince.toISOString()} is not known.`);
    this.keptSince = keptSince;
  }
}

/** Neither is there, nor is anything known of it. */
export class NoHistory extends PlacementError {
  constructor(what: "consumer" | "resource provider", uuid: string) {
    super(`Nothing is known of a ${what} with uuid ${uuid}.`);
  }
}
