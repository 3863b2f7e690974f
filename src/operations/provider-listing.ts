import * as rows from "../db/resource-providers.ts";
import type { ProviderFilter } from "../domain/provider-filter.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { ResourceProvider } from "../domain/resource-provider.ts";
import { type FoundProviders, searchProviders } from "../index/find-providers.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import type { IndexReader } from "../index/reader.ts";
import type { IdPage } from "../index/rows-by-id.ts";
import { HeldIndex } from "./held-index.ts";
import { inSlices } from "./in-slices.ts";
import type { Service } from "./service.ts";

export type { IdPage };

/** The read model as those see it who write what it tells of providers. */
export type ProviderRows = IndexReader;

/** Conditions that are all to hold. */
export interface ProviderConditions {
  readonly uuid?: string | undefined;
  /** Exactly so, whatever the engine takes for the same name. */
  readonly name?: string | undefined;
  readonly filter?: ProviderFilter | undefined;
}

/** Lists providers as they are now, in the order of their ids. */
export async function listProviders(
  service: Service,
  context: RequestContext,
  conditions: ProviderConditions,
): Promise<ProviderListing> {
  return new ProviderListing(await service.freshIndex(context), conditions);
}

/**
 * Those with a name, in the order of their ids: what is the same name is up to the engine.
 *
 * @throws ResourceClassNotFound, TraitNotFound
 */
export async function listProvidersNamed(
  service: Service,
  context: RequestContext,
  name: string,
  { uuid, filter }: ProviderConditions,
): Promise<ResourceProvider[]> {
  const index = await service.freshIndex(context);
  const matching = filter && (await inSlices(index, context.userId ?? "", idsOf(index, filter)));
  const named = await service.database.readOnce(context, (tx) =>
    rows.listProviders(tx, { name, uuid }),
  );
  return named.filter(({ id }) => matching?.has(id) ?? true);
}

/** So many ids are collected between two pauses. */
const IDS_BY_STEP = 4096;

function* idsOf(index: ProviderIndex, filter: ProviderFilter): Generator<void, Set<number>> {
  const ids = new Set<number>();
  const { rows: found } = yield* searchProviders(index, index.time, { filter });
  for (const row of found) {
    ids.add(index.idOf(row));
    if (ids.size % IDS_BY_STEP === 0) yield;
  }
  return ids;
}

/** Providers of the read model that meet conditions, as they were when it was first looked for them. */
export class ProviderListing extends HeldIndex {
  readonly providers: IndexReader;
  readonly #conditions: ProviderConditions;
  /** Begun when it is looked for them, so that nothing has to be held before. */
  #begun: { readonly pages: readonly IdPage[]; readonly position: number } | undefined;
  /** How many pages were looked at, and when the newest provider on them was changed. */
  #looked = 0;
  #newest: number | undefined = 0;
  #search: Iterator<void, FoundProviders> | undefined;
  #found: FoundProviders | undefined;

  constructor(index: IndexReader, conditions: ProviderConditions) {
    super(index);
    this.providers = index;
    this.#conditions = conditions;
  }

  /** Whether all providers are asked for. */
  get isEverything(): boolean {
    const { uuid, name, filter } = this.#conditions;
    return uuid === undefined && name === undefined && filter === undefined;
  }

  /** All providers, as long as they are unchanged. */
  get pages(): readonly IdPage[] {
    return this.#begin().pages;
  }

  /** Whether the providers of a page of the present are as they were, all of them. */
  isUnchanged({ changedAt }: IdPage): boolean {
    return changedAt <= this.#begin().position;
  }

  /** Finds out until then when the newest was changed; false while there is more to be looked at. */
  prepare(endsAtMs: number): boolean {
    const { pages } = this;
    while (this.isEverything && !this.#search && this.#looked < pages.length) {
      const page = pages[this.#looked]!;
      // What it was like before is to be found by way of trees.
      if (!this.isUnchanged(page)) return this.find(endsAtMs) !== undefined;
      const modifiedAt = this.providers.modifiedAtOfPage(page);
      this.#newest = newerOf(this.#newest, modifiedAt);
      this.#looked += 1;
      if (performance.now() > endsAtMs) return false;
    }
    return (
      (this.isEverything && this.#looked === pages.length) || this.find(endsAtMs) !== undefined
    );
  }

  /**
   * Looks for those that meet the conditions until then.
   *
   * @returns the rows of all of them; undefined while there may be more
   * @throws ResourceClassNotFound, TraitNotFound for names that do not exist
   */
  find(endsAtMs: number): Int32Array | undefined {
    this.#begin();
    this.#search ??= searchProviders(this.providers, this.time, this.#conditions);
    while (!this.#found) {
      const step = this.#search.next();
      if (step.done) this.#found = step.value;
      else if (performance.now() > endsAtMs) return undefined;
    }
    return this.#found.rows;
  }

  /** When the newest was made or changed, in seconds since 1970; undefined without any, and where one does not know. */
  get modifiedAt(): number | undefined {
    const isPagewise = this.isEverything && this.#looked === this.pages.length;
    return isPagewise ? this.#newest || undefined : this.#found?.modifiedAt;
  }

  #begin() {
    const { pages, journal } = this.providers;
    return (this.#begun ??= { pages, position: journal.position });
  }
}

function newerOf(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : Math.max(one, other);
}
