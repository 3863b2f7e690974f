import { querySchema } from "../queries/candidate-query-schema.ts";
import { MAX_MICROVERSION } from "../microversions.ts";
import { parseQuery } from "../queries/query-string.ts";
import type { SchemaDocument } from "../validation/schema.ts";

// How a query for allocation candidates is described where it is part of a request of our own.

/** As a query string: what the newest microversion takes; an older one that is asked for takes less. */
export const CANDIDATE_QUERY: SchemaDocument = querySchema({
  microversion: MAX_MICROVERSION,
  query: parseQuery(""),
}).document;

/** As a text in a body, as long as the longest query string may be. */
export const QUERY_TEXT = { type: "string", minLength: 1, maxLength: 64 * 1024 } as const;

/** The same where it stands alone. */
export const ONE_QUERY = {
  ...QUERY_TEXT,
  description: "As that of GET /allocation_candidates; its limit is ignored.",
} as const;
