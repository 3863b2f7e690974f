import type { InventoryAmounts } from "../../../domain/inventory.ts";
import type { KnownProvider } from "../../../operations/known-provider.ts";
import { renderAmounts } from "../../inventory-amounts.ts";
import type { Newest } from "../../last-modified.ts";
import { joined, noting } from "../../text-writer.ts";

declare global {
  interface JSON {
    /** A value that `stringify` writes as the given text. Not yet in TypeScript's libraries. */
    rawJSON(text: string): unknown;
  }
}

export function renderInventory(inventory: InventoryAmounts) {
  return {
    ...renderAmounts(inventory),
    allocation_ratio: asFloat(inventory.allocationRatio),
  };
}

/**
 * A ratio is shown with a decimal point even where it is whole, as upstream does: clients that tell
 * integers from floats by the text rely on it.
 */
function asFloat(value: number): unknown {
  return Number.isInteger(value) && value < 1e16 ? JSON.rawJSON(value.toFixed(1)) : value;
}

export function renderInventories(
  generation: number,
  inventories: ReadonlyMap<string, InventoryAmounts>,
) {
  return {
    resource_provider_generation: generation,
    inventories: Object.fromEntries(
      [...inventories].map(([name, inventory]) => [name, renderInventory(inventory)]),
    ),
  };
}

/** The same in pieces, from the read model. */
export function* inventoriesText(provider: KnownProvider, newest: Newest): Generator<string> {
  yield* noting(provider.inventories(), (inventory) => newest.note(inventory.modifiedAt));
  yield `{"resource_provider_generation":${provider.generation},"inventories":{`;
  yield* joined(
    provider
      .inventories()
      .map(
        (inventory) =>
          `${JSON.stringify(inventory.resourceClass)}:${JSON.stringify(renderInventory(inventory))}`,
      ),
  );
  yield "}}";
}
