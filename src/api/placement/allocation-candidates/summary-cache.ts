import { BoundedMap } from "../../../domain/bounded-map.ts";
import type { ProviderSummary } from "../../../domain/provider-summary.ts";
import {
  lineageOf,
  type ProviderRows,
  resourceOf,
  summarize,
} from "../../../operations/allocation-candidates.ts";
import { joined } from "../../text-writer.ts";
import { RowTexts } from "../row-texts.ts";

/** What of a provider is told: more in newer versions. */
export interface SummaryForm {
  readonly hasTraits: boolean;
  readonly hasParents: boolean;
  /** The resource classes to tell about; undefined for all. */
  readonly resourceClasses: ReadonlySet<string> | undefined;
}

/** As much text of summaries as is kept per form. */
const MAX_BYTES = 32 * 1024 * 1024;
/** Clients of one deployment speak one or two versions. */
const MAX_FORMS = 3;

/** The summary of a provider with more classes and traits takes more than a millisecond. */
const MANY_MEMBERS = 2000;

/** Before the UUID: a comma and a quotation mark. */
const UUID_OFFSET = 2;

/** Summaries of providers as JSON text: `,"<uuid>":{…}`. */
export class SummaryCache extends RowTexts {
  static readonly #caches = new WeakMap<ProviderRows, BoundedMap<string, SummaryCache>>();

  readonly #providers: ProviderRows;
  readonly #form: SummaryForm;

  private constructor(providers: ProviderRows, form: SummaryForm) {
    super(providers, MAX_BYTES, UUID_OFFSET);
    this.#providers = providers;
    this.#form = form;
  }

  /** The cache for a form, as kept from earlier answers; to be asked for by each answer anew. */
  static for(providers: ProviderRows, form: SummaryForm): SummaryCache {
    const caches =
      SummaryCache.#caches.get(providers) ??
      new BoundedMap<string, SummaryCache>({ entries: MAX_FORMS });
    SummaryCache.#caches.set(providers, caches);
    const classes = form.resourceClasses && [...form.resourceClasses].sort();
    const { renames } = providers.resourceClasses;
    const key = JSON.stringify([form.hasTraits, form.hasParents, classes, renames]);
    const cache = caches.use(key) ?? new SummaryCache(providers, form);
    cache.refresh();
    caches.set(key, cache);
    return cache;
  }

  override textOf(row: number): string {
    const summary = summarize(this.#providers, row);
    return `,${JSON.stringify(summary.uuid)}:${renderSummary(summary, this.#form)}`;
  }

  protected override mayKeep(row: number): boolean {
    return !this.isLong(row);
  }

  /** Whether a provider has so much that its text is to be written in pieces. */
  isLong(row: number): boolean {
    const { traitSets } = this.#providers;
    const traits = traitSets.members(this.#providers.traitSetOf(row));
    return traits.length + this.#providers.classesOf(row).length > MANY_MEMBERS;
  }

  /** The text of a row, member by member. */
  *piecesOf(row: number): Generator<string> {
    const providers = this.#providers;
    const lineage = lineageOf(providers, row);
    yield `,${JSON.stringify(lineage.uuid)}:{"resources":{`;
    yield* joined(this.#resourcesOf(row));
    yield "}";
    if (this.#form.hasTraits) {
      yield ',"traits":[';
      yield* joined(this.#traitsOf(row));
      yield "]";
    }
    if (this.#form.hasParents) yield `,${renderLineage(lineage)}`;
    yield "}";
  }

  *#resourcesOf(row: number): Generator<string> {
    const { resourceClasses } = this.#form;
    for (const id of this.#providers.classesOf(row)) {
      const resource = resourceOf(this.#providers, row, id);
      if (resource && (resourceClasses?.has(resource.resourceClass) ?? true)) {
        yield renderResource(resource);
      }
    }
  }

  *#traitsOf(row: number): Generator<string> {
    const { traitSets, traits } = this.#providers;
    for (const id of traitSets.members(this.#providers.traitSetOf(row))) {
      const name = traits.nameOf(id);
      if (name !== undefined) yield JSON.stringify(name);
    }
  }
}

function renderSummary(summary: ProviderSummary, form: SummaryForm): string {
  const { resourceClasses, hasTraits, hasParents } = form;
  const resources = summary.resources
    .filter(({ resourceClass }) => resourceClasses?.has(resourceClass) ?? true)
    .map(renderResource);
  const parts = [`"resources":{${resources.join(",")}}`];
  if (hasTraits) parts.push(`"traits":${JSON.stringify(summary.traits)}`);
  if (hasParents) parts.push(renderLineage(summary));
  return `{${parts.join(",")}}`;
}

function renderResource({
  resourceClass,
  capacity,
  used,
}: ProviderSummary["resources"][number]): string {
  const amounts = `{"capacity":${renderInteger(capacity)},"used":${renderInteger(used)}}`;
  return `${JSON.stringify(resourceClass)}:${amounts}`;
}

function renderLineage({
  parentUuid,
  rootUuid,
}: Pick<ProviderSummary, "parentUuid" | "rootUuid">): string {
  const parent = JSON.stringify(parentUuid);
  return `"parent_provider_uuid":${parent},"root_provider_uuid":${JSON.stringify(rootUuid)}`;
}

/** All digits, however large: `1e+21` would be no integer for many clients. */
function renderInteger(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : String(BigInt(value));
}
