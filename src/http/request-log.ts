import { formatMicroversion } from "../api/microversions.ts";
import { printable, type LoggedRequest, type Logger } from "../observability/logger.ts";
import type { Answer } from "./answer.ts";
import type { Exchange } from "./exchange.ts";

/**
 * The line that upstream writes for every request, at level INFO. Where the database had to begin
 * something again, or undid it, that is told at its end.
 */
export function logAnswer(logger: Logger, exchange: Exchange, answer: Answer): void {
  if (!logger.isLevelEnabled("info")) return;
  const { client, head, microversion } = exchange;
  const uri = printable(client.mountPoint + head.target);
  const version = microversion ? formatMicroversion(microversion) : "-";
  logger.info(
    { component: "requestlog", ...loggedRequest(exchange) },
    `${printable(client.remoteAddress)} "${head.method} ${uri}" status: ${answer.status} ` +
      `len: ${lengthOf(answer)} microversion: ${version}${describeEffort(exchange)}`,
  );
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
