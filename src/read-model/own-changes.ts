import type { FeedEntry } from "../db/change-feed.ts";
import type { RecordedChange } from "../db/change.ts";

/**
 * What makes writes visible at once to who wrote them (read your writes): changes that this process has made
 * and put into its read model, until the feed tells of them: then nothing has to be read again. That is most
 * of what a claim would wait for on a database server.
 */
export class OwnChanges {
  /** A request may change the same thing in more than one transaction. */
  readonly #counts = new Map<string, number>();
  /** The keys of those that were added since the last look at the feed began. */
  #added: string[] = [];

  add(recorded: readonly RecordedChange[]): void {
    for (const { change, by } of recorded) {
      if (isOfConsumer(change)) continue;
      const key = keyOf(by.requestId, change);
      this.#count(key);
      this.#added.push(key);
    }
  }

  /** To be called before each look at the feed. */
  beginToLook(): void {
    this.#added = [];
  }

  /**
   * Forgets what was added since the look began: what it has read may be older, and has been put into
   * the read model later. The feed will tell of it.
   */
  forgetAdded(): void {
    for (const key of this.#added) this.#takeKey(key);
    this.#added = [];
  }

  /** Whether the feed tells of nothing else; if it does, nothing is taken. */
  takeAll(entries: readonly FeedEntry[]): boolean {
    for (const [position, entry] of entries.entries()) {
      if (this.take(entry)) continue;
      for (const taken of entries.slice(0, position)) {
        if (!isOfConsumer(taken)) this.#count(keyOf(taken.requestId, taken));
      }
      return false;
    }
    return true;
  }

  /**
   * Whether the feed tells of one of them, which it does once for each, or of a consumer: the read model has
   * none, so that there is nothing to be read again.
   */
  take(entry: FeedEntry): boolean {
    return isOfConsumer(entry) || this.#takeKey(keyOf(entry.requestId, entry));
  }

  #count(key: string): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  #takeKey(key: string): boolean {
    const count = this.#counts.get(key);
    if (count === undefined) return false;
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
    return true;
  }

  clear(): void {
    this.#counts.clear();
    this.#added = [];
  }
}

function isOfConsumer({ kind }: { kind: string }): boolean {
  return kind === "consumer" || kind === "consumer_deleted";
}

function keyOf(requestId: string, { kind, subject }: { kind: string; subject: string }): string {
  return `${requestId} ${kind} ${subject}`;
}
