import { formatMicroversion } from "../api/microversions.ts";
import { printable, type LoggedRequest, type Logger } from "../observability/logger.ts";
import type { Answer } from "./answer.ts";
import type { Exchange } from "./exchange.ts";

/**
 * The line that upstream writes for every request, at level INFO. Where the database had to begin
 * something again, or undid it, that is told towards its end; at its end, how many seconds it took.
 *
 * @param times `tookMs` so far; what takes longer than `slowSeconds` is worth a warning, with where the time went: never if 0
 */
export function logAnswer(
  logger: Logger,
  exchange: Exchange,
  answer: Answer,
  { tookMs, slowSeconds }: { readonly tookMs: number; readonly slowSeconds: number },
): void {
  if (slowSeconds > 0 && tookMs > slowSeconds * 1000) logSlow(logger, exchange, tookMs);
  const { searchMs, lookedAt } = exchange.effort;
  if (searchMs > 0 && logger.isLevelEnabled("debug")) {
    logger.debug(
      loggedRequest(exchange),
      `The search looked at ${Math.ceil(lookedAt)} providers, those that are passed over quickly counted in part, and took ${seconds(searchMs)} s`,
    );
  }
  if (!logger.isLevelEnabled("info")) return;
  const { client, head, microversion } = exchange;
  const uri = printable(client.mountPoint + head.target);
  const version = microversion ? formatMicroversion(microversion) : "-";
  logger.info(
    { component: "requestlog", ...loggedRequest(exchange) },
    `${printable(client.remoteAddress)} "${head.method} ${uri}" status: ${answer.status} ` +
      `len: ${lengthOf(answer)} microversion: ${version}${describeEffort(exchange)} time: ${seconds(tookMs)}`,
  );
}

function logSlow(logger: Logger, exchange: Exchange, tookMs: number): void {
  const { head, route = "a path that leads nowhere", effort } = exchange;
  const { freshnessMs, searchMs, databaseMs, writingMs } = effort;
  const restMs = Math.max(tookMs - freshnessMs - searchMs - databaseMs - writingMs, 0);
  logger.warn(
    loggedRequest(exchange),
    `A slow request: ${head.method} ${route} took ${seconds(tookMs)} s: ` +
      `freshness ${seconds(freshnessMs)}, search ${seconds(searchMs)}, ` +
      `database ${seconds(databaseMs)}, writing ${seconds(writingMs)}, rest ${seconds(restMs)}`,
  );
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(6);
}

function describeEffort({ effort: { retries, rollbacks } }: Exchange): string {
  return (
    (retries > 0 ? ` retries: ${retries}` : "") + (rollbacks > 0 ? ` rollbacks: ${rollbacks}` : "")
  );
}

/** What a log line tells about the request that it belongs to. */
export function loggedRequest({
  requestId,
  globalRequestId,
  credentials,
}: Exchange): LoggedRequest {
  const { userId, projectId } = credentials ?? {};
  return { requestId, globalRequestId, userId, projectId };
}

function lengthOf({ headers }: Answer): string {
  const at = headers.indexOf("content-length");
  return at === -1 ? "-" : (headers[at + 1] ?? "-");
}
