import type { FeedEntry } from "../db/change-feed.ts";
import { canonicalUuid } from "../domain/uuid.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { formerRoots, rootOf, touchedBy } from "./event-subjects.ts";
import type { FeedEvent } from "./feed-event.ts";
import type { Interest, Subscription } from "./subscription.ts";

/** By what a listener is found: the first of these that he names, as it leaves out most. */
const DIMENSIONS = ["consumers", "providers", "trees", "projects", "kinds"] as const;

type Dimension = (typeof DIMENSIONS)[number];
type ByKey = Map<string, Set<Subscription>>;

/**
 * All who listen, by what they want to hear of (an inverted index of subscriptions): with a hundred of them, each
 * change is held against the few that it may concern, and is read whole only if there are any.
 */
export class Listeners {
  readonly #all = new Set<Subscription>();
  readonly #byDimension: Readonly<Record<Dimension, ByKey>> = {
    consumers: new Map(),
    providers: new Map(),
    trees: new Map(),
    projects: new Map(),
    kinds: new Map(),
  };
  /** Those who name nothing by which they could be found. */
  readonly #ofAnything = new Set<Subscription>();
  #version = 0;

  /** Another one when somebody has come or left. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#all.size;
  }

  values(): SetIterator<Subscription> {
    return this.#all.values();
  }

  add(subscription: Subscription): void {
    this.#version += 1;
    this.#all.add(subscription);
    const place = placeOf(subscription.interest);
    if (!place) {
      this.#ofAnything.add(subscription);
      return;
    }
    const byKey = this.#byDimension[place.dimension];
    for (const key of place.keys) {
      const those = byKey.get(key) ?? new Set();
      byKey.set(key, those.add(subscription));
    }
  }

  delete(subscription: Subscription): void {
    this.#version += 1;
    this.#all.delete(subscription);
    this.#ofAnything.delete(subscription);
    const place = placeOf(subscription.interest);
    if (!place) return;
    const byKey = this.#byDimension[place.dimension];
    for (const key of place.keys) {
      const those = byKey.get(key);
      those?.delete(subscription);
      if (those?.size === 0) byKey.delete(key);
    }
  }

  /** To be asked of changes that were committed together with all that belongs to them. */
  of(entries: readonly FeedEntry[], index: ProviderIndex): Audience {
    const { consumers, providers, trees, projects, kinds } = this.#byDimension;
    const byRoot: ByKey = new Map();
    for (const [uuid, those] of trees) {
      const root = rootOf(index, uuid);
      byRoot.set(root, byRoot.get(root)?.union(those) ?? those);
    }
    return new Audience(index, entries, {
      all: this.#all,
      ofAnything: this.#ofAnything,
      consumers,
      providers,
      projects,
      kinds,
      roots: byRoot,
    });
  }
}

function placeOf(
  interest: Interest,
): { readonly dimension: Dimension; readonly keys: ReadonlySet<string> } | undefined {
  for (const dimension of DIMENSIONS) {
    const keys = interest[dimension];
    if (keys) return { dimension, keys };
  }
  return undefined;
}

interface AudienceParts {
  readonly all: ReadonlySet<Subscription>;
  readonly ofAnything: ReadonlySet<Subscription>;
  readonly consumers: ByKey;
  readonly providers: ByKey;
  readonly projects: ByKey;
  readonly kinds: ByKey;
  /** Those who listen to a tree, by its root of now. */
  readonly roots: ByKey;
}

/** Who may want to hear of some changes. */
export class Audience {
  readonly #index: ProviderIndex;
  readonly #parts: AudienceParts;
  /** Requests that have changed a provider; and those that have changed one that somebody listens to. */
  readonly #ofProviders = new Set<string>();
  readonly #ofWanted = new Set<string>();

  constructor(index: ProviderIndex, entries: readonly FeedEntry[], parts: AudienceParts) {
    this.#index = index;
    this.#parts = parts;
    if (parts.providers.size + parts.roots.size === 0) return;
    for (const entry of entries) {
      if (entry.providerId === null) continue;
      this.#ofProviders.add(entry.requestId);
      if (this.#isOfWanted(entry)) this.#ofWanted.add(entry.requestId);
    }
  }

  /** Whether it may concern anybody, by what is known of it without its details. */
  mayConcern(entry: FeedEntry): boolean {
    const { ofAnything, kinds, consumers, projects, roots, all } = this.#parts;
    const { kind, subject, requestId } = entry;
    if (kind === "everything") return all.size > 0;
    if (ofAnything.size > 0 || kinds.has(kind)) return true;
    if (kind === "consumer" || kind === "consumer_deleted") {
      if (projects.size > 0) return true;
      if (consumers.size > 0 && consumers.has(canonicalUuid(subject))) return true;
      // Whoever changes what is held of a provider changes the provider in the same transaction.
      return this.#ofWanted.has(requestId) || this.#isAlone(requestId);
    }
    // It may have left a tree, which only its details tell.
    return entry.providerId !== null && (roots.size > 0 || this.#isOfWanted(entry));
  }

  /** Those whom it may concern; each is still to be asked whether it does. */
  of(event: FeedEvent): ReadonlySet<Subscription> {
    const { all, ofAnything, kinds, consumers, providers, roots } = this.#parts;
    if (event.row.kind === "everything") return all;
    const found: (ReadonlySet<Subscription> | undefined)[] = [
      ofAnything,
      kinds.get(event.row.kind),
    ];
    if (event.isOfConsumer) {
      found.push(consumers.get(event.uuid), ...this.#ofProject(event));
    }
    if ((event.isOfConsumer || event.isOfProvider) && providers.size + roots.size > 0) {
      const touched = touchedBy(event, this.#index);
      if (!touched) found.push(...providers.values(), ...roots.values());
      else {
        const tops = roots.size === 0 ? [] : touched.map((uuid) => rootOf(this.#index, uuid));
        found.push(...touched.map((uuid) => providers.get(uuid)));
        found.push(...[...tops, ...formerRoots(event)].map((uuid) => roots.get(uuid)));
      }
    }
    return unionOf(found);
  }

  #ofProject(event: FeedEvent): readonly (ReadonlySet<Subscription> | undefined)[] {
    const { projects } = this.#parts;
    if (projects.size === 0) return [];
    const details = event.told?.details;
    if (details?.of !== "consumer" || details.projectId === undefined)
      return [...projects.values()];
    return [details.projectId, details.formerly?.projectId ?? ""].map((id) => projects.get(id));
  }

  /** What is not known to be about some providers may be about any. */
  #isAlone(requestId: string): boolean {
    const { providers, roots } = this.#parts;
    return providers.size + roots.size > 0 && !this.#ofProviders.has(requestId);
  }

  #isOfWanted({ subject, providerId }: FeedEntry): boolean {
    const { providers, roots } = this.#parts;
    if (providers.size + roots.size === 0) return false;
    const uuid =
      subject === "" ? this.#index.getById(providerId ?? 0)?.uuid : canonicalUuid(subject);
    if (uuid === undefined) return true;
    return providers.has(uuid) || (roots.size > 0 && roots.has(rootOf(this.#index, uuid)));
  }
}

/** Mostly of one that is not empty, which is not copied. */
function unionOf(
  sets: readonly (ReadonlySet<Subscription> | undefined)[],
): ReadonlySet<Subscription> {
  const some = sets.filter((each) => each !== undefined && each.size > 0);
  const [first = new Set<Subscription>(), ...others] = some as ReadonlySet<Subscription>[];
  return others.reduce((union, each) => union.union(each), first);
}
