import type { InventoryAmounts } from "./inventory.ts";

/**
 * Why a claim or a change was refused, as facts instead of a text: what is told to clients, noted for
 * operators and counted is made from these, each in its own words.
 */
export type Refusal =
  | InventoryRefusal
  | NoInventoryRefusal
  | {
      readonly reason: "inventory_in_use";
      readonly providers: readonly string[];
      readonly resourceClasses: readonly string[];
    }
  | { readonly reason: "unknown_provider"; readonly provider: string }
  | {
      readonly reason: "consumer_generation";
      readonly consumer: string;
      /** `null` for a client that says the consumer is new. */
      readonly given: number | null;
      /** `null` for a consumer that does not exist. */
      readonly actual: number | null;
    }
  | {
      readonly reason: "provider_generation";
      readonly provider: string;
      readonly given: number;
      readonly actual: number;
    }
  | { readonly reason: "retries_exhausted" };

/** One inventory that does not allow an amount: there is too little, or the amount breaks its units. */
export interface InventoryRefusal extends Pick<
  InventoryAmounts,
  "reserved" | "minUnit" | "maxUnit" | "stepSize"
> {
  readonly reason: "out_of_capacity" | "units";
  readonly provider: ProviderFacts;
  readonly resourceClass: string;
  /** All that the claim asks of the inventory: the sum over its consumers, where several name it. */
  readonly requested: number;
  /** By others than the consumers of the claim. */
  readonly used: number;
  readonly capacity: number;
}

/** Providers that have no inventory of any of these classes. */
interface NoInventoryRefusal {
  readonly reason: "no_inventory";
  /** UUIDs. */
  readonly providers: readonly string[];
  readonly resourceClasses: readonly string[];
}

/** A provider as it was when the claim was judged. */
export interface ProviderFacts {
  readonly uuid: string;
  readonly name: string;
  readonly generation: number;
}
