import type { InventoryAmounts } from "./inventory.ts";

/**
 * Everything that the read model keeps of one resource provider.
 *
 * The database layer produces it, `ProviderIndex` consumes it. A record is
 * always whole: it replaces what the index held of the provider before.
 */
export interface ProviderRecord {
  /** Internal id, `resource_providers.id`. */
  readonly id: number;
  /** What the outside sees; lower case with dashes. */
  readonly uuid: string;
  readonly name: string;
  /** The optimistic counter that guards every write to the provider. */
  readonly generation: number;
  /** Internal id of the parent provider, `null` for a root provider. */
  readonly parentId: number | null;
  /** Internal id of the root of the provider's tree; its own id for a root. */
  readonly rootId: number;
  /** One entry per resource class, in ascending order of class id. */
  readonly inventories: readonly InventoryRecord[];
  /** Internal trait ids, ascending. */
  readonly traitIds: readonly number[];
  /** UUIDs of the aggregates that the provider belongs to. */
  readonly aggregates: readonly string[];
  /**
   * The ids of those, in the same order. Undefined where the database spells a UUID otherwise, or has one
   * twice: only the database tells then how they are shown.
   */
  readonly aggregateIds?: readonly number[] | undefined;
  /** When it was made, or changed last: whole seconds since 1970; undefined where that is not known. */
  readonly modifiedAt?: number | undefined;
}

/** One inventory of a provider, with what is used of it. */
export interface InventoryRecord extends InventoryAmounts {
  readonly resourceClassId: number;
  /** Sum of all allocations of this class on this provider. */
  readonly used: number;
  /** As of the provider. */
  readonly modifiedAt?: number | undefined;
}

/** A resource class, trait or consumer type: an internal id with a name. */
export interface NamedRecord {
  readonly id: number;
  readonly name: string;
  readonly createdAt: Date | null;
  readonly updatedAt: Date | null;
}
