import { PlacementError } from "./errors.ts";

/** For how long a consumer holds what it holds: until it ends, unless it is renewed. */
export interface Lease {
  readonly seconds: number;
  /** On the clock of the database. */
  readonly expiresAt: Date;
}

/** What a consumer was granted besides allocations. */
export interface HeldGrant {
  readonly grantedAt: Date | null;
  /** Undefined where it holds for good. */
  readonly lease: Lease | undefined;
  /** With its name within the gang. */
  readonly gang: { readonly name: string; readonly member: string } | undefined;
}

/** A consumer that has no lease, and has had none. */
export class LeaseNotFound extends PlacementError {
  constructor(consumerUuid: string) {
    super(`Consumer ${consumerUuid} has no lease.`);
  }
}

/** What the lease had granted was released. */
export class LeaseLost extends PlacementError {
  constructor(consumerUuid: string) {
    super(`The lease of consumer ${consumerUuid} has ended, and what it held was released.`);
  }
}

/** A lease that was found to have ended was renewed, or given up, before it was taken back. */
export class LeaseRenewed extends PlacementError {
  constructor() {
    super("The lease was renewed.");
  }
}
