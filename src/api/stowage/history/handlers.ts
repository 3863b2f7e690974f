import { HistoryGone, NoHistory } from "../../../domain/history-errors.ts";
import { canonicalUuid } from "../../../domain/uuid.ts";
import { heldAt } from "../../../operations/held-at.ts";
import {
  findProjectOf,
  readHistory,
  type HistoryEntry,
  type HistoryQuery,
  type HistorySubject,
} from "../../../operations/history.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { badRequest, HttpError, notFound } from "../../http-error.ts";
import type { ApiRequest } from "../../request.ts";
import { json, type ApiResponse } from "../../response.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { readTime } from "../read-time.ts";
import { renewedContext } from "../renewed-context.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import { renderOfConsumer, renderOfProvider } from "./rendering.ts";
import { DEFAULT_LIMIT } from "./schemas.ts";

/** Clocks differ. */
const MAX_AHEAD_MS = 5000;

/** A project's readers see what happened while the consumer was of their project. */
export async function tellConsumerHistory(request: ApiRequest): Promise<ApiResponse> {
  const subject = { consumerUuid: uuidOf(request) };
  const isKept = request.service.config.stowage.history;
  const projectId = isKept
    ? await findProjectOf(request.service, () => renewedContext(request), subject.consumerUuid)
    : undefined;
  // Who is not let in learns nothing, not even that there is none.
  request.authorize("stowage:consumers:history", { projectId });
  const isForAll = await request.recognize("stowage:providers:history");
  const terms = isForAll || projectId === undefined ? {} : { projectId };
  return tell(request, subject, terms, (entry) => renderOfConsumer(entry, isForAll));
}

export function tellProviderHistory(request: ApiRequest): Promise<ApiResponse> {
  const resourceClass = request.query.get("resource_class");
  const terms = resourceClass === undefined ? {} : { resourceClass };
  return tell(request, { providerUuid: uuidOf(request) }, terms, renderOfProvider);
}

function tell(
  request: ApiRequest,
  subject: HistorySubject,
  terms: Pick<HistoryQuery, "projectId" | "resourceClass">,
  render: (entry: HistoryEntry) => object,
): Promise<ApiResponse> {
  const { config } = request.service;
  if (!config.stowage.history) {
    throw notFound("No history is kept: [stowage] history is off.");
  }
  const at = request.query.get("at");
  const answer =
    at === undefined
      ? tellEntries(request, subject, terms, render)
      : tellHeld(request, subject, { text: at, ...terms });
  return translatingErrors(answer, [
    when(NoHistory, ({ message }) => notFound(message)),
    when(
      HistoryGone,
      ({ message, keptSince }) =>
        new HttpError(410, message, {
          code: ERROR_CODES.historyGone,
          data: { kept_since: keptSince.toISOString() },
        }),
    ),
  ]);
}

async function tellEntries(
  request: ApiRequest,
  subject: HistorySubject,
  terms: Pick<HistoryQuery, "projectId" | "resourceClass">,
  render: (entry: HistoryEntry) => object,
): Promise<ApiResponse> {
  const { query } = request;
  const [since, until, after] = [query.get("since"), query.get("until"), query.get("after")];
  const page = await readHistory(request.service, () => renewedContext(request), subject, {
    ...terms,
    ...(since !== undefined && { since: readTime(since, "since") }),
    ...(until !== undefined && { until: readTime(until, "until") }),
    ...(after !== undefined && { after: readCursor(after) }),
    limit: limitOf(request),
  });
  return json(200, {
    history: page.entries.map(render),
    next: page.next ? writeCursor(page.next) : null,
    kept_since: page.state.since?.toISOString() ?? null,
  });
}

/** Page by page, in the order of the UUIDs. */
async function tellHeld(
  request: ApiRequest,
  subject: HistorySubject,
  { text, projectId }: { readonly text: string; readonly projectId?: string },
): Promise<ApiResponse> {
  const { query, service } = request;
  for (const name of ["since", "until", "resource_class"]) {
    if (query.has(name)) throw badRequest(`${name} does not go with at.`);
  }
  const at = readTime(text, "at");
  if (at.getTime() > Date.now() + MAX_AHEAD_MS) throw badRequest("at is in the future.");
  const { held, isExact, keptSince } = await heldAt(service, renewedContext(request), subject, {
    at,
    ...(projectId !== undefined && { projectId }),
  });
  const after = query.get("after") ?? "";
  const uuids = [...held.keys()].filter((uuid) => uuid > after).toSorted();
  const told = uuids.slice(0, limitOf(request));
  return json(200, {
    at: at.toISOString(),
    held: Object.fromEntries(told.map((uuid) => [uuid, held.get(uuid)])),
    is_exact: isExact,
    next: told.length < uuids.length ? told.at(-1) : null,
    kept_since: keptSince.toISOString(),
  });
}

function uuidOf({ parameters: { uuid = "" } }: ApiRequest): string {
  return canonicalUuid(uuid);
}

function limitOf({ query }: ApiRequest): number {
  return Number(query.get("limit") ?? DEFAULT_LIMIT);
}
