import { randomUUID } from "node:crypto";

import { listAllocationsAfter } from "../db/allocations.ts";
import type { DatabaseContext } from "../db/change.ts";
import { CandidatesOutdated } from "../domain/errors.ts";
import type { InventoryAmounts } from "../domain/inventory.ts";
import type { IndexReader, IndexView } from "../index/reader.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { NONE } from "../index/tree-table.ts";
import { type ProviderConditions, ProviderListing } from "./provider-listing.ts";
import type { Service } from "./service.ts";

/** A provider with all that the read model has of it. */
export interface FleetProvider {
  readonly uuid: string;
  readonly name: string;
  readonly generation: number;
  readonly rootUuid: string;
  readonly parentUuid: string | null;
  readonly inventories: readonly FleetInventory[];
  readonly traits: readonly string[];
  readonly aggregates: readonly string[];
}

/** Of a provider, what there is to be counted. */
export type FleetInventories = Pick<FleetProvider, "name" | "generation" | "inventories">;

export interface FleetInventory extends InventoryAmounts {
  readonly resourceClass: string;
  readonly capacity: number;
  readonly used: number;
}

/** What a consumer holds of one class of one provider. */
export interface FleetAllocation {
  readonly providerName: string;
  readonly consumerUuid: string;
  readonly resourceClass: string;
  readonly used: number;
}

/** So many allocations are read at once: some milliseconds of work. */
const PAGE_ROWS = 1000;

/** All providers as they are when the read model has answered, to be counted. To be closed. */
export async function viewFleet(service: Service, context: DatabaseContext): Promise<Fleet> {
  return new Fleet(await service.freshIndex(context));
}

/**
 * Providers with all that they have, in the order of their ids, as they are when the read model has answered.
 *
 * @throws ResourceClassNotFound, TraitNotFound for names that do not exist, as it is looked for them
 */
export async function listFleet(
  service: Service,
  context: DatabaseContext,
  conditions: ProviderConditions,
): Promise<FleetListing> {
  return new FleetListing(await service.freshIndex(context), conditions);
}

/** Providers with all that they have. */
export class FleetListing extends ProviderListing {
  /** Is another one when anything about any provider has changed, or may have. */
  readonly tag: string;
  /** Of the whole fleet. */
  readonly size: number;

  constructor(index: ProviderIndex, conditions: ProviderConditions) {
    super(index, conditions);
    this.tag = tagOf(index);
    this.size = index.size;
  }
}

/** All providers at one moment. */
class Fleet {
  /** Is another one when anything about any provider has changed, or may have. */
  readonly tag: string;
  readonly #index: ProviderIndex;
  readonly #endOfTrees: number;
  readonly #view: IndexView;
  readonly #reader: ProviderReader;

  constructor(index: ProviderIndex) {
    this.#index = index;
    this.#reader = new ProviderReader(index);
    // At once: between this and the next step of the caller others may write.
    this.#view = index.openView();
    this.#endOfTrees = index.trees.end;
    this.tag = tagOf(index);
  }

  /**
   * After waiting.
   *
   * @throws CandidatesOutdated when so much has changed that what was held had to be given up
   */
  checkHold(): void {
    if (!this.#view.isOpen) throw new CandidatesOutdated();
  }

  close(): void {
    this.#view.close();
  }

  /** Tree by tree, the root first. Undefined for each number of a tree that is not in use. */
  *inventories(): Generator<FleetInventories | undefined> {
    const [index, reader] = [this.#index, this.#reader];
    for (let tree = 0; tree < this.#endOfTrees; tree += 1) {
      if (!index.trees.isVisible(tree, this.#view.time)) yield undefined;
      else {
        for (const row of index.trees.rows(tree)) {
          yield {
            name: index.nameOf(row),
            generation: index.generationOf(row),
            inventories: reader.readInventories(row),
          };
        }
      }
    }
  }

  /** What all consumers hold, from the database, page by page: each page is of its own moment. */
  async *allocations(
    service: Service,
    context: () => DatabaseContext,
  ): AsyncGenerator<FleetAllocation[]> {
    for (let lastId = 0; ;) {
      const page = await service.database.readOnce(context(), (tx) =>
        listAllocationsAfter(tx, lastId, PAGE_ROWS),
      );
      yield page.flatMap(({ resourceProviderId, resourceClassId, consumerUuid, used }) => {
        const row = this.#index.findRowById(resourceProviderId);
        const resourceClass = this.#index.resourceClasses.nameOf(resourceClassId);
        // What was made or deleted since is of another moment.
        if (row === undefined || resourceClass === undefined) return [];
        return [{ providerName: this.#index.nameOf(row), consumerUuid, resourceClass, used }];
      });
      if (page.length < PAGE_ROWS) return;
      lastId = page.at(-1)!.id;
    }
  }
}

/**
 * Reads providers one after the other. Hosts of one kind have the same traits and aggregates: as long as a view
 * is open that sees them, the number of a set stands for the same ones, so that each set is read once.
 */
class ProviderReader {
  readonly #index: IndexReader;
  readonly #traits = new Map<number, readonly string[]>();
  readonly #aggregates = new Map<number, readonly string[]>();

  constructor(index: IndexReader) {
    this.#index = index;
  }

  read(row: number): FleetProvider {
    const index = this.#index;
    const parent = index.parentOf(row);
    const root = index.rootOf(index.treeOf(row));
    return {
      uuid: index.uuidOf(row),
      name: index.nameOf(row),
      generation: index.generationOf(row),
      rootUuid: index.uuidOf(root === NONE ? row : root),
      parentUuid: parent === NONE ? null : index.uuidOf(parent),
      inventories: this.readInventories(row),
      traits: this.#listOf(this.#traits, index.traitSetOf(row), () =>
        index.read(row).traitIds.flatMap((id) => index.traits.nameOf(id) ?? []),
      ),
      aggregates: this.#listOf(
        this.#aggregates,
        index.aggregateSetOf(row),
        () => index.read(row).aggregates,
      ),
    };
  }

  readInventories(row: number): FleetInventory[] {
    const inventories: FleetInventory[] = [];
    for (const id of this.#index.classesOf(row)) {
      const resourceClass = this.#index.resourceClasses.nameOf(id);
      // Names that an open view still refers to may be gone by now.
      if (resourceClass === undefined) continue;
      const column = this.#index.column(id)!;
      const { total, reserved, minUnit, maxUnit, stepSize, allocationRatio, used } =
        column.read(row);
      inventories.push({
        resourceClass,
        total,
        reserved,
        minUnit,
        maxUnit,
        stepSize,
        allocationRatio,
        capacity: column.capacity(row),
        used,
      });
    }
    return inventories;
  }

  #listOf(
    known: Map<number, readonly string[]>,
    set: number,
    read: () => readonly string[],
  ): readonly string[] {
    let list = known.get(set);
    if (!list) known.set(set, (list = read()));
    return list;
  }
}

/** A provider as it is now. */
export function readProvider(index: IndexReader, row: number): FleetProvider {
  return new ProviderReader(index).read(row);
}

function tagOf(index: ProviderIndex): string {
  return [identityOf(index), index.journal.position, index.namings].join(".");
}

/** Each read model counts its changes from the beginning. */
const identities = new WeakMap<ProviderIndex, string>();

function identityOf(index: ProviderIndex): string {
  let identity = identities.get(index);
  if (identity === undefined) {
    identity = randomUUID();
    identities.set(index, identity);
  }
  return identity;
}
