import { setTimeout as sleep } from "node:timers/promises";

import { DatabaseUnavailable, InvalidPosition, PositionGone } from "../../../domain/errors.ts";
import { normalizeUuid } from "../../../domain/uuid.ts";
import type { EventFilter } from "../../../operations/event-filter.ts";
import { EventReader, laterOf, type ToldEvent } from "../../../operations/events.ts";
import type { Service } from "../../../operations/service.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { badRequest, HttpError } from "../../http-error.ts";
import type { ApiRequest, QueryParameters } from "../../request.ts";
import type { ApiResponse } from "../../response.ts";
import { MAX_EVENT_FILTERS, MAX_EVENTS } from "../../stream-limits.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { renderEvent } from "./rendering.ts";
import { KINDS, MAX_WAIT } from "./schemas.ts";

const EVENT_STREAM = "text/event-stream";
/** Where to begin anew. */
const SNAPSHOT = "/stowage/v1/providers";
/** So long a client waits before it comes back. */
const RETRY_MS = 2000;
/** So often whoever is told nothing is told how far that goes. */
const BOOKMARK_MS = 15_000;
/** So many events are written at once, if they are not longer than a part. */
const EVENTS_AT_ONCE = 100;
const PART_LENGTH = 64 * 1024;
/** So many pages of the feed are looked through for one answer, some milliseconds each. */
const PAGES_FOR_ANSWER = 40;
/** While the database is away. */
const TRY_AGAIN_MS = 1000;

/** What happens from a position on: as a stream, or as one answer. */
export async function tellEvents(request: ApiRequest, position: string): Promise<ApiResponse> {
  const { query, lastEventId, service } = request;
  const filter = readFilter(query);
  const limit = readNumber(query, "limit", MAX_EVENTS, 1);
  const waitMs = readNumber(query, "wait", MAX_WAIT, 0) * 1000;
  const signal = request.openStream();
  const answer = async () => {
    const after = readAfter(query.get("after"), lastEventId) ?? position;
    const reader = await EventReader.open(service, request.context, after, filter);
    if (!request.accept.toLowerCase().includes(EVENT_STREAM)) {
      return poll(request, reader, { limit, waitMs: query.has("wait") ? waitMs : 0, signal });
    }
    const body = stream(request, reader, signal);
    return { status: 200, contentType: EVENT_STREAM, body, isLive: true } as const;
  };
  return translatingErrors(answer(), [
    when(InvalidPosition, ({ message }) => badRequest(`${message}.`)),
    when(
      PositionGone,
      ({ message, oldest }) =>
        new HttpError(410, message, {
          code: ERROR_CODES.positionGone,
          data: { oldest, snapshot: SNAPSHOT },
        }),
    ),
  ]);
}

interface Terms {
  readonly limit: number;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** @throws PositionGone */
async function poll(
  request: ApiRequest,
  reader: EventReader,
  { limit, waitMs, signal }: Terms,
): Promise<ApiResponse> {
  const endsAtMs = performance.now() + waitMs;
  try {
    for (let page = 1; ; page += 1) {
      request.renewDeadline();
      const leftMs = endsAtMs - performance.now();
      const batch = await reader.next(request.context, { limit, signal, waitMs: leftMs });
      const { events, position, isMore } = batch;
      const isOver = isMore ? page >= PAGES_FOR_ANSWER : performance.now() >= endsAtMs;
      if (events.length === 0 && !isOver && !signal.aborted) continue;
      const texts = events.map((event) => renderEvent(request.service, event));
      const text =
        `{"events":[${texts.join(",")}],"position":${JSON.stringify(position)},` +
        `"is_more":${isMore}}`;
      return { status: 200, body: Buffer.from(text), position, isLive: true };
    }
  } finally {
    reader.close();
  }
}

async function* stream(
  request: ApiRequest,
  reader: EventReader,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    yield Buffer.from(`retry: ${RETRY_MS}\n\n`);
    let saidAtMs = performance.now();
    while (!signal.aborted) {
      const waitMs = saidAtMs + BOOKMARK_MS - performance.now();
      for (const part of await nextParts(request, reader, { signal, waitMs })) {
        yield part;
        saidAtMs = performance.now();
      }
    }
  } catch (error) {
    if (!(error instanceof PositionGone)) throw error;
    yield Buffer.from(
      `event: gone\ndata: ${JSON.stringify({ oldest: error.oldest, snapshot: SNAPSHOT })}\n\n`,
    );
  } finally {
    reader.close();
  }
}

/** @throws PositionGone */
async function nextParts(
  request: ApiRequest,
  reader: EventReader,
  { signal, waitMs }: Omit<Terms, "limit">,
): Promise<Uint8Array[]> {
  const endsAtMs = performance.now() + waitMs;
  try {
    request.renewDeadline();
    const terms = { limit: EVENTS_AT_ONCE, signal, waitMs };
    const { events, position } = await reader.next(request.context, terms);
    if (events.length > 0) return partsOf(request.service, events);
    const isSilent = performance.now() >= endsAtMs;
    return isSilent ? [Buffer.from(`id: ${position}\nevent: position\ndata: {}\n\n`)] : [];
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable)) throw error;
    await sleep(TRY_AGAIN_MS, undefined, { signal }).catch(() => {});
    return [];
  }
}

/** By the first of the events; kept no longer than that. */
const made = new WeakMap<
  ToldEvent,
  { readonly events: readonly ToldEvent[]; readonly parts: Uint8Array[] }
>();

/** Streams that want the same are sent the same bytes: they are put together once. */
function partsOf(service: Service, events: readonly ToldEvent[]): Uint8Array[] {
  const [first] = events as readonly [ToldEvent];
  const before = made.get(first);
  const isSame =
    events.length === before?.events.length &&
    events.every((event, at) => event === before.events[at]);
  if (isSame) return before.parts;
  const parts = inParts(events.map((event) => toBytes(service, event)));
  made.set(first, { events, parts });
  return parts;
}

/** Made once: of a hundred streams, each would else encode it anew. */
function toBytes(service: Service, event: ToldEvent): Uint8Array {
  return (event.bytes ??= Buffer.from(
    `id: ${event.position}\nevent: ${event.row.kind}\ndata: ${renderEvent(service, event)}\n\n`,
  ));
}

function inParts(messages: readonly Uint8Array[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let part: Uint8Array[] = [];
  let length = 0;
  for (const message of messages) {
    if (length > 0 && length + message.byteLength > PART_LENGTH) {
      parts.push(Buffer.concat(part));
      part = [];
      length = 0;
    }
    part.push(message);
    length += message.byteLength;
  }
  return [...parts, Buffer.concat(part)];
}

/** @throws InvalidPosition */
function readAfter(after: string | undefined, lastEventId: string | undefined): string | undefined {
  if (after === undefined || lastEventId === undefined) return after ?? lastEventId;
  return laterOf(after, lastEventId);
}

function readFilter(query: QueryParameters): EventFilter {
  return {
    kinds: readSet(query, "kind", (text) => KINDS.find((kind) => kind === text)),
    providers: readSet(query, "provider", normalizeUuid),
    consumers: readSet(query, "consumer", normalizeUuid),
    trees: readSet(query, "tree", normalizeUuid),
    projects: readSet(query, "project_id", (text) => text),
    resourceClasses: readSet(query, "resource_class", (text) => text),
  };
}

/** All values of a parameter; the schema has seen the last one only. */
function readSet(
  query: QueryParameters,
  name: string,
  read: (text: string) => string | undefined,
): ReadonlySet<string> | undefined {
  const texts = query.getAll(name);
  if (texts.length === 0) return undefined;
  if (texts.length > MAX_EVENT_FILTERS) {
    throw badRequest(`More than ${MAX_EVENT_FILTERS} values of '${name}'.`);
  }
  return new Set(
    texts.map((text) => {
      const value = read(text);
      if (value !== undefined) return value;
      throw badRequest(`'${text.slice(0, 100)}' is no value of '${name}'.`);
    }),
  );
}

function readNumber(query: QueryParameters, name: string, most: number, least: number): number {
  const number = Number(query.get(name) ?? most);
  if (number >= least && number <= most) return number;
  throw badRequest(`'${name}' has to be from ${least} to ${most}.`);
}
