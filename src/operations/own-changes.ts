import type { FeedEntry } from "../db/change-feed.ts";
import type { RecordedChange } from "../db/changes.ts";

/**
 * Changes that this process has made and put into its read model, until the feed tells of them: then
 * nothing has to be read again. That is most of what a claim would wait for on a database server.
 */
export class OwnChanges {
  /** A request may change the same thing in more than one transaction. */
  readonly #counts = new Map<string, number>();

  add(recorded: readonly RecordedChange[]): void {
    for (const { change, by } of recorded) {
      const key = keyOf(by.requestId, change);
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    }
  }

  /** Whether the feed tells of one of them. It does so once for each. */
  take(entry: FeedEntry): boolean {
    const key = keyOf(entry.requestId, entry);
    const count = this.#counts.get(key);
    if (count === undefined) return false;
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
    return true;
  }

  clear(): void {
    this.#counts.clear();
  }
}

function keyOf(requestId: string, { kind, subject }: { kind: string; subject: string }): string {
  return `${requestId} ${kind} ${subject}`;
}
