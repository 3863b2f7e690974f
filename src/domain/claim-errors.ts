import { PlacementError } from "./errors.ts";

// What may become of a claim of the best candidate, besides what becomes of any claim.

/** A claim has the idempotency key already. */
export class IdempotencyKeyTaken extends PlacementError {
  constructor() {
    super("Another claim was made with this idempotency key.");
  }
}

/** The idempotency key was used for another request. */
export class IdempotencyKeyReused extends PlacementError {
  constructor() {
    super("The idempotency key was used for another request.");
  }
}

/** Another request with the same idempotency key is not finished. */
export class IdempotencyKeyInProgress extends PlacementError {
  constructor() {
    super("The first request with this idempotency key is not finished.");
  }
}

/** There is a gang of that name, and some of its members still hold something. */
export class GangExists extends PlacementError {
  constructor() {
    super("There is a gang of that name.");
  }
}

/** There is nothing that a claim could be granted. */
export class NoCandidates extends PlacementError {
  constructor() {
    super("There is no candidate for the request.");
  }
}

/** Candidates were there each time, and others were faster. */
export class OutOfCapacity extends PlacementError {
  constructor(attempts: number, last: PlacementError) {
    super(
      `Others were faster at each candidate of ${attempts} ${attempts === 1 ? "attempt" : "attempts"}: ${last.message}`,
      last.refusal,
    );
  }
}
