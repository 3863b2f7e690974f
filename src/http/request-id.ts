import { randomUUID } from "node:crypto";

/** The id of one request, in every answer, error body and log line. */
export function newRequestId(): string {
  return `req-${randomUUID()}`;
}

const GLOBAL_REQUEST_ID = /^req-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}$/;

/**
 * The id of the larger operation that a client says its request is part of, from its
 * `X-OpenStack-Request-ID`. What does not have the form of an id is ignored, as oslo.middleware
 * does: it would end up in logs.
 */
export function findGlobalRequestId(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" && GLOBAL_REQUEST_ID.test(header) ? header : undefined;
}
