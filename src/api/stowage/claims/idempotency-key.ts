import { createHash } from "node:crypto";

import type { IdempotencyKey } from "../../../operations/idempotency.ts";
import { badRequest } from "../../http-error.ts";
import { formatMicroversion } from "../../microversions.ts";
import type { ApiRequest } from "../../request.ts";
import { CLAIM_LIMITS, type ClaimBody } from "./schemas.ts";

/**
 * The key of a request, which is a string of structured fields (RFC 8941), or what stands between its quotes,
 * as many clients send it. It is the requester's own: another one may use the same.
 *
 * @throws HttpError 400
 */
export function readIdempotencyKey(
  request: ApiRequest,
  body: ClaimBody,
): IdempotencyKey | undefined {
  const header = request.idempotencyKey;
  if (header === undefined) return undefined;
  const text = /^"(.*)"$/.exec(header.trim())?.[1] ?? header.trim();
  if (text === "" || text.length > CLAIM_LIMITS.idempotencyKey || !PRINTABLE.test(text)) {
    throw badRequest(
      `Idempotency-Key must be 1 to ${CLAIM_LIMITS.idempotencyKey} printable ASCII characters.`,
    );
  }
  const { userId = "", projectId = "" } = request.context;
  return {
    key: digest([userId, projectId, text]),
    fingerprint: digest([formatMicroversion(request.microversion), inOrder(body)]),
  };
}

/** Without quotes, which would have to be escaped. */
const PRINTABLE = /^[\x20-\x21\x23-\x7e]+$/;

function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

/** The order of members says nothing. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [name, inOrder(member)] as const);
  return members.toSorted(([left], [right]) => (left < right ? -1 : 1));
}
