import { HttpError } from "../api/http-error.ts";
import { MAX_STREAMS } from "../api/stream-limits.ts";

/** So often whoever reads a stream is asked again who he is. */
const RECHECK_MS = 60_000;

/** How long a client may take for what it is still to be told. */
const CUT_AFTER_MS = 500;

/** How long a stream may go on. */
interface StreamTerms {
  /** Aborted when the client goes away. */
  readonly client: AbortSignal;
  /** When the token ends, in milliseconds since 1970; undefined for never. */
  readonly expiresAtMs: number | undefined;
  /** Ends the connection, whatever is still to be sent. */
  readonly cut: () => void;
  /** Asks whether the token is still good; rejects when it is not. */
  readonly recheck: () => Promise<unknown>;
}

/**
 * The answers that go on until somebody ends them, such as those that tell of events. All are told at
 * once to end when the service stops: else each stop would wait for a page that somebody has left open.
 */
export class OpenStreams {
  readonly #open = new Set<AbortController>();
  #isStopping = false;

  get size(): number {
    return this.#open.size;
  }

  /**
   * Begins a stream.
   *
   * @returns aborted when the stream has to end: with its client, its token, or the service
   * @throws HttpError 503 when there are too many, or the service is being stopped
   */
  open({ client, expiresAtMs, cut, recheck }: StreamTerms): AbortSignal {
    if (this.#isStopping || this.#open.size >= MAX_STREAMS) {
      throw new HttpError(503, "Too many streams are open.", { headers: { "retry-after": "5" } });
    }
    const controller = new AbortController();
    const end = () => controller.abort();
    const timers = [
      setInterval(() => void recheck().catch(end), RECHECK_MS),
      ...(expiresAtMs === undefined
        ? []
        : [setTimeout(end, Math.min(Math.max(expiresAtMs - Date.now(), 0), MAX_TIMER_MS))]),
    ];
    for (const timer of timers) timer.unref();
    this.#open.add(controller);
    controller.signal.addEventListener("abort", () => {
      timers.forEach(clearInterval);
      this.#open.delete(controller);
      if (client.aborted) return;
      const timer = setTimeout(cut, CUT_AFTER_MS);
      client.addEventListener("abort", () => clearTimeout(timer), { once: true });
    });
    if (client.aborted) end();
    else client.addEventListener("abort", end, { once: true });
    return controller.signal;
  }

  /** Tells all of them to end, and lets none begin. */
  endAll(): void {
    this.#isStopping = true;
    for (const controller of this.#open) controller.abort();
  }
}

/** The most that a timer can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1;
