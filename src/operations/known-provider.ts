import { ResourceProviderNotFound } from "../domain/errors.ts";
import type { InventoryRecord, NamedRecord } from "../domain/provider-record.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { ResourceProvider } from "../domain/resource-provider.ts";
import type { IndexReader } from "../index/reader.ts";
import { sortById } from "../index/sort-rows.ts";
import { HeldIndex } from "./held-index.ts";
import type { Service } from "./service.ts";

/** As much of a provider as the API shows. */
export type ShownProvider = Pick<
  ResourceProvider,
  "uuid" | "name" | "generation" | "parentProviderUuid" | "rootProviderUuid"
>;

/** An inventory with the name of its class. */
interface NamedInventory extends InventoryRecord {
  readonly resourceClass: string;
}

/**
 * Tells of a provider from the read model, as it is now.
 *
 * @param tell is given the provider as long as it waits for nothing, or holds it
 * @throws ResourceProviderNotFound
 */
export async function aboutProvider<Result>(
  service: Service,
  context: RequestContext,
  uuid: string,
  tell: (provider: KnownProvider) => Result | Promise<Result>,
): Promise<Result> {
  const index = await service.freshIndexWith(context, uuid);
  const row = index.findRow(uuid);
  if (row === undefined) throw new ResourceProviderNotFound(uuid);
  return tell(new KnownProvider(index, row));
}

/**
 * The UUID as it is stored.
 *
 * @throws ResourceProviderNotFound
 */
export function expectProvider(
  service: Service,
  context: RequestContext,
  uuid: string,
): Promise<string> {
  return aboutProvider(service, context, uuid, ({ shown }) => shown.uuid);
}

/** What the read model has of one provider, at one moment. */
export class KnownProvider extends HeldIndex {
  readonly generation: number;
  readonly #index: IndexReader;
  readonly #row: number;

  constructor(index: IndexReader, row: number) {
    super(index);
    this.#index = index;
    this.#row = row;
    this.generation = index.generationOf(row);
  }

  get shown(): ShownProvider {
    const [index, row] = [this.#index, this.#row];
    return {
      uuid: index.uuidOf(row),
      name: index.nameOf(row),
      generation: this.generation,
      parentProviderUuid: index.parentUuidOf(row) ?? null,
      rootProviderUuid: index.rootUuidOf(row),
    };
  }

  /** When it was made or changed, in seconds since 1970; undefined where that is not known. */
  get modifiedAt(): number | undefined {
    return this.#index.modifiedAt(this.#row);
  }

  /** In the order of the classes' ids. */
  *inventories(): Generator<NamedInventory> {
    for (const id of this.#index.classesOf(this.#row)) {
      const inventory = this.#index.column(id)!.read(this.#row);
      yield { ...inventory, resourceClass: this.#index.resourceClasses.getName(id) };
    }
  }

  findInventory(resourceClass: string): NamedInventory | undefined {
    const id = this.#index.resourceClasses.idOf(resourceClass);
    const column = id === undefined ? undefined : this.#index.column(id);
    if (!column?.has(this.#row)) return undefined;
    return { ...column.read(this.#row), resourceClass };
  }

  /** In the order of their ids. */
  *traits(): Generator<NamedRecord> {
    for (const id of this.#index.traitSets.members(this.#index.traitSetOf(this.#row))) {
      const record = this.#index.traits.find(id);
      // The database's foreign key sees to it, but for what a view still sees.
      if (record) yield record;
    }
  }

  /** In the order of their ids, with pauses; undefined where only the database tells how they are shown. */
  aggregates(): Generator<string | undefined> | undefined {
    return this.#index.areAggregatesKnown(this.#row) ? this.#sortedAggregates() : undefined;
  }

  *#sortedAggregates(): Generator<string | undefined> {
    const index = this.#index;
    const members = index.aggregateSets.members(index.aggregateSetOf(this.#row));
    const sorting = sortById(members, (aggregate) => index.aggregateIdOf(aggregate));
    let step = sorting.next();
    for (; !step.done; step = sorting.next()) yield undefined;
    for (const aggregate of step.value) yield index.aggregateUuidOf(aggregate);
  }
}
