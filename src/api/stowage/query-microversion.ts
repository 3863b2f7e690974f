import { badRequest } from "../http-error.ts";
import { MAX_MICROVERSION, type Microversion, minorOf, supports } from "../microversions.ts";
import type { VersionedQuery } from "../request.ts";

/** @throws HttpError 400 for one that knows no allocation candidates */
export function checkCandidatesMicroversion(asked: VersionedQuery): void {
  if (supports(asked, "allocationCandidates")) return;
  throw badRequest("Allocation candidates can be asked for since microversion 1.10.");
}

/**
 * By which a query is read: one that the schema has let through.
 *
 * @throws HttpError 400
 */
export function readMicroversion(text: string): Microversion {
  const minor = Number(text.slice("1.".length));
  if (minor > MAX_MICROVERSION.minor || minor < minorOf("allocationCandidates")) {
    throw badRequest(`Unacceptable microversion of the query: ${text}.`);
  }
  return { major: 1, minor };
}
