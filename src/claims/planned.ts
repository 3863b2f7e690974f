import type { Claim, GrantedClaim } from "../domain/claim.ts";
import type { Consumer } from "../domain/consumer.ts";
import type { PlacementError } from "../domain/errors.ts";
import type { InventoryAmounts } from "../domain/inventory.ts";
import type { ProviderRecord } from "../domain/provider-record.ts";

/** What a consumer holds of one class of one provider. */
export interface PlannedAllocation {
  readonly providerId: number;
  readonly resourceClassId: number;
  readonly used: number;
}

/** A provider as it will be after the claims planned so far. */
export interface PlannedProvider {
  /** As the read model has it. */
  readonly record: ProviderRecord;
  /** By how much its generation will have risen. */
  steps: number;
  /** Whether its inventories are not those of the record. */
  isReshaped: boolean;
  /** Amount in use by resource class id. */
  readonly used: Map<number, number>;
  /** By resource class id. */
  inventories: ReadonlyMap<number, InventoryAmounts>;
}

/** What a consumer is to hold of it. */
export interface Demand extends PlannedAllocation {
  readonly provider: PlannedProvider;
}

/** What a reshape is to make of one provider. */
export interface Reshape {
  readonly provider: PlannedProvider;
  /** What the provider is to have in the end. */
  readonly final: ReadonlyMap<number, InventoryAmounts>;
  /** What it has while allocations move: the old and the new, the new winning. */
  readonly interim: ReadonlyMap<number, InventoryAmounts>;
}

/** A consumer as it will be after the claims planned so far. */
export interface PlannedConsumer {
  readonly uuid: string;
  /** As the database has it; `undefined` if it has none. */
  readonly stored: Consumer | undefined;
  /** Whether the database has allocations of it. */
  readonly hasStoredAllocations: boolean;
  /** Whether an accepted claim names it. */
  readonly isClaimed: boolean;
  /** Whether a claim removed it; if it exists, it is a new one. */
  readonly wasRemoved: boolean;
  /** `undefined` while it does not exist. */
  readonly generation: number | undefined;
  readonly projectId: string | undefined;
  readonly userId: string | undefined;
  readonly consumerType: string | undefined;
  readonly allocations: readonly PlannedAllocation[];
}

/** What became of a claim. */
export type ClaimOutcome =
  | {
      readonly kind: "accepted";
      /** Where it had alternatives. */
      readonly granted: GrantedClaim | undefined;
    }
  | { readonly kind: "refused"; readonly refusal: PlacementError };

/** What is to become of one claim of a batch. */
export interface Judgement {
  readonly claim: Claim;
  readonly outcome: ClaimOutcome;
  /** Nothing of one that is refused. */
  readonly changes: PlannedChanges | undefined;
}

/** What an accepted claim changes. */
export interface PlannedChanges {
  readonly providers: ReadonlySet<PlannedProvider>;
  readonly consumers: readonly {
    readonly was: PlannedConsumer;
    readonly now: PlannedConsumer;
  }[];
  /** Of a reshape: the providers as they are now, with the inventories that they had. */
  readonly inventories: readonly {
    readonly provider: Readonly<PlannedProvider>;
    readonly was: ReadonlyMap<number, InventoryAmounts>;
  }[];
}
