import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import { printable } from "../../observability/logger.ts";
import type { Terminal } from "../terminal.ts";
import { describeEvent, type WatchedEvent } from "./event-text.ts";
import { messagesOf } from "./event-stream.ts";
import { findProvider } from "./find-provider.ts";
import { CannotAsk, ServiceClient, type ServiceAddress } from "./service-client.ts";

/** Command-line options of `stowage watch`. */
export interface WatchCommand extends ServiceAddress {
  /** By UUID or name. */
  readonly providers: readonly string[];
  /** The other filters, as the API names them. */
  readonly filters: readonly (readonly [name: string, value: string])[];
  readonly after?: string | undefined;
  readonly isJson: boolean;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

/** A service tells how far it is every 15 seconds: one that is silent for so long is not there any more. */
const SILENCE_MS = 45_000;
const RETRY_MS = 2000;

/**
 * Prints what changes, as it happens. When the connection ends, it goes on after the last event.
 *
 * @throws CannotAsk the service cannot be asked, or cannot tell what comes next; that ends the command with 1
 */
export async function watch(command: WatchCommand, terminal: Terminal): Promise<number> {
  const { signal, providers, filters, after } = command;
  const service = new ServiceClient(command);
  const query = new URLSearchParams(filters.map(([name, value]) => [name, value]));
  for (const provider of providers) {
    query.append("provider", await findProvider(service, provider));
  }
  if (after !== undefined) query.set("after", after);
  for (let isFirst = true; ; isFirst = false) {
    try {
      await watchOnce(service, query, command, terminal);
    } catch (error) {
      const mayGoBetter = error instanceof CannotAsk && error.isPassing && !isFirst;
      if (!mayGoBetter && !signal?.aborted) throw error;
    }
    if (signal?.aborted) return 0;
    terminal.problems.write("stowage: the connection has ended: going on after the last event\n");
    await sleep(RETRY_MS, undefined, signal && { signal }).catch(() => {});
  }
}

/**
 * Until the connection ends. The query is left with the position after the last event.
 *
 * @throws CannotAsk
 */
async function watchOnce(
  service: ServiceClient,
  query: URLSearchParams,
  { isJson, signal }: WatchCommand,
  { output }: Terminal,
): Promise<void> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const { headers, body } = await service.open("GET", `/stowage/v1/events?${query.toString()}`, {
      accept: "text/event-stream",
      signal: AbortSignal.any([silence.signal, ...(signal ? [signal] : [])]),
    });
    const start = headers.get("stowage-position");
    if (!query.has("after") && start !== null) query.set("after", start);
    for await (const { id, event, data } of messagesOf(body!)) {
      timer.refresh();
      if (event === "gone") throw new CannotAsk(GONE);
      const isRoom = event === "position" || output.write(`${textOf(service, id, data, isJson)}\n`);
      if (!isRoom) await once(output, "drain");
      query.set("after", id);
    }
  } catch (error) {
    // Anything else is that the answer broke off.
    if (error instanceof CannotAsk) throw error;
  } finally {
    clearTimeout(timer);
  }
}

const GONE =
  "the service cannot tell what comes next: it is no longer kept, or this command was too slow. " +
  "Begin anew without --after, or after the position of stowage snapshot";

function textOf(service: ServiceClient, position: string, data: string, isJson: boolean): string {
  const event = service.parse<WatchedEvent>(data, ({ type }) => typeof type === "string");
  return isJson ? JSON.stringify({ position, ...event }) : printable(describeEvent(event));
}
