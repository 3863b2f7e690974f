import type { InventoryAmounts } from "./inventory.ts";
import type { RequestContext } from "./request-context.ts";

/**
 * What one request wants to happen to allocations, whole or not at all: `PUT` and `POST` of
 * allocations, `DELETE` of a consumer's, and a reshape.
 */
export interface Claim {
  readonly context: RequestContext;
  /** Each consumer at most once. */
  readonly consumers: readonly ConsumerClaim[];
  /** For a reshape: the new inventories of providers, set around the change of allocations. */
  readonly inventories?: readonly InventoriesClaim[];
  /**
   * Other choices of what the same consumers are to hold, the next of which is tried where one does not fit.
   * Whoever gives them is told which one was granted.
   */
  readonly alternatives?: readonly (readonly ConsumerClaim[])[];
  /** What is kept in the transaction of the claim, so that it may be repeated without being made twice. */
  readonly receiptOf?: (granted: GrantedClaim) => ClaimReceipt;
  /** What all its consumers are granted together, besides allocations. */
  readonly grant?: Grant;
  /** That it takes back what a lease has granted until now: unless that is renewed before it is written. */
  readonly endsLease?: LeaseEnd;
}

/** What consumers are granted besides allocations. */
export interface Grant {
  readonly uuid: string;
  /** For how long they may hold what they hold, unless that is renewed. */
  readonly leaseSeconds: number | undefined;
  /** Of which they are the members, in the order of the consumers. */
  readonly gang: { readonly name: string; readonly members: readonly string[] } | undefined;
}

interface LeaseEnd {
  /** Of which the leases have ended, by the clock of the database. */
  readonly before: Date;
}

/** Which choice a claim got, and at which generations. */
export interface GrantedClaim {
  /** 0 for the first, then those of the alternatives. */
  readonly choice: number;
  /** By UUID, as the claim leaves them; none of a consumer that holds nothing. */
  readonly consumers: ReadonlyMap<string, number | undefined>;
  /** By UUID, as the claim leaves them. */
  readonly providers: ReadonlyMap<string, number>;
  /** Until when, by the clock of the database, where a lease was asked for. */
  readonly expiresAt?: Date;
}

/** What tells a claim that is repeated from another one. */
export interface ClaimReceipt {
  readonly consumerUuid: string;
  /** A digest of the client's key. */
  readonly key: string;
  /** A digest of the request. */
  readonly fingerprint: string;
  /** What is answered, as JSON. */
  readonly answer: string;
}

/** How much there is to be done for it: how many consumers and providers it names. */
export function sizeOfClaim({ consumers, inventories = [] }: Claim): number {
  return consumers.reduce(
    (sum, { allocations }) => sum + 1 + allocations.length,
    inventories.length,
  );
}

/** What one consumer is to hold from now on. */
export interface ConsumerClaim {
  readonly consumerUuid: string;
  /** External ids; those of the configuration stand in below microversion 1.8. */
  readonly projectId: string;
  readonly userId: string;
  /**
   * The generation that the client knows: `null` if it says that the consumer is new, `undefined`
   * if it says nothing (below 1.28) and the present one is to be taken.
   */
  readonly generation: number | null | undefined;
  /** `undefined` leaves the type of the consumer alone (below 1.38). */
  readonly consumerType: string | undefined;
  /** Whether a consumer that holds nothing is an error (DELETE) or fine (everything else). */
  readonly mustHoldAllocations?: boolean;
  /** Empty to remove all that the consumer holds. */
  readonly allocations: readonly ProviderClaim[];
}

/** Has a consumer hold nothing any more. */
export function releaseOf(
  consumerUuid: string,
  generation: ConsumerClaim["generation"],
): ConsumerClaim {
  return {
    consumerUuid,
    projectId: "",
    userId: "",
    generation,
    consumerType: undefined,
    allocations: [],
  };
}

interface ProviderClaim {
  readonly providerUuid: string;
  /** Amounts by the name of the resource class. */
  readonly resources: ReadonlyMap<string, number>;
}

export interface InventoriesClaim {
  readonly providerUuid: string;
  readonly generation: number;
  /** By the name of the resource class. */
  readonly inventories: ReadonlyMap<string, InventoryAmounts>;
}
