import { BoundedMap } from "../../../domain/bounded-map.ts";
import type {
  CandidateListing,
  FoundCandidates,
  ProviderRows,
} from "../../../operations/allocation-candidates.ts";
import type { NumberSet } from "./number-set.ts";

/** As much text is kept altogether, and for one query. */
const MAX_BYTES = 16 * 1024 * 1024;
const MAX_BYTES_OF_ONE = 2 * 1024 * 1024;
/** So many queries are known to have been asked; long ones are not. */
const MAX_KNOWN = 1024;
const MAX_QUERY_LENGTH = 2048;

/** The allocation requests of an answer. */
interface KeptRequests {
  /** All of the answer before the summaries. */
  readonly bytes: Buffer;
  /** The trees or rows to summarize. */
  readonly inPlay: NumberSet;
  readonly found: FoundCandidates;
}

/**
 * A cache (LRU) of the allocation requests of queries that are asked again and again, as those for the flavors
 * of a cloud are: kept as long as the candidates are the same, whatever else of their providers has changed.
 */
export class RequestKeeper {
  static readonly #keepers = new WeakMap<ProviderRows, RequestKeeper>();

  /** By query. */
  readonly #kept = new BoundedMap<string, KeptRequests>({
    weight: MAX_BYTES,
    weightOf: ({ bytes }) => bytes.length,
  });
  /** Of these, those that were of use. */
  readonly #used = new WeakSet<KeptRequests>();
  readonly #known = new BoundedMap<string, true>({ entries: MAX_KNOWN });

  static for(providers: ProviderRows): RequestKeeper {
    let keeper = RequestKeeper.#keepers.get(providers);
    if (keeper === undefined) {
      keeper = new RequestKeeper();
      RequestKeeper.#keepers.set(providers, keeper);
    }
    return keeper;
  }

  /** What is kept for a query, if a listing that has not begun would find the same. */
  find(query: string, listing: CandidateListing): KeptRequests | undefined {
    const kept = this.#kept.use(query);
    if (kept === undefined) return undefined;
    if (!listing.wouldFind(kept.found)) {
      this.#kept.delete(query);
      // To keep what changes all the time would cost more than it brings.
      if (!this.#used.has(kept)) this.#known.delete(query);
      return undefined;
    }
    this.#used.add(kept);
    return kept;
  }

  /** Whether to keep the answer to a query: when it is asked for the second time. */
  isWorthKeeping(query: string): boolean {
    if (query.length > MAX_QUERY_LENGTH) return false;
    if (this.#known.has(query)) return true;
    this.#known.set(query, true);
    return false;
  }

  keep(query: string, requests: KeptRequests): void {
    if (requests.bytes.length <= MAX_BYTES_OF_ONE) this.#kept.set(query, requests);
  }
}
