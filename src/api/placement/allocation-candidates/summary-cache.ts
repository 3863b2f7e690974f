import { BoundedMap } from "../../../domain/bounded-map.ts";
import type { ProviderSummary } from "../../../domain/provider-summary.ts";
import { type ProviderRows, summarize } from "../../../operations/allocation-candidates.ts";
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
}

function renderSummary(summary: ProviderSummary, form: SummaryForm): string {
  const { resourceClasses, hasTraits, hasParents } = form;
  const resources = summary.resources
    .filter(({ resourceClass }) => resourceClasses?.has(resourceClass) ?? true)
    .map(({ resourceClass, capacity, used }) => {
      const amounts = `{"capacity":${renderInteger(capacity)},"used":${renderInteger(used)}}`;
      return `${JSON.stringify(resourceClass)}:${amounts}`;
    });
  const parts = [`"resources":{${resources.join(",")}}`];
  if (hasTraits) parts.push(`"traits":${JSON.stringify(summary.traits)}`);
  if (hasParents) {
    parts.push(
      `"parent_provider_uuid":${JSON.stringify(summary.parentUuid)}`,
      `"root_provider_uuid":${JSON.stringify(summary.rootUuid)}`,
    );
  }
  return `{${parts.join(",")}}`;
}

/** All digits, however large: `1e+21` would be no integer for many clients. */
function renderInteger(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : String(BigInt(value));
}
