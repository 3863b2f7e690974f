import type { SchemaDocument } from "../../validation/schema.ts";
import { EXPLANATION } from "../explain/schemas.ts";

export const DEFAULT_LIMIT = 100;
/** Of 8 KiB each, it is as much as is made of them in a few milliseconds. */
export const MAX_REFUSALS = 500;

const TEXT = { type: "string" };
const UUID = { type: "string", format: "uuid" };
const COUNT = { type: "integer" };

export const REFUSALS_QUERY: SchemaDocument = {
  type: "object",
  properties: {
    request_id: {
      type: "string",
      minLength: 1,
      maxLength: 64,
      description: "Of the request, or of the larger operation that it was part of.",
    },
    consumer: { ...UUID, description: "That was to hold something." },
    project_id: {
      type: "string",
      minLength: 1,
      maxLength: 255,
      description: "Of the consumer of a claim; of whoever asked, for a query.",
    },
    since: {
      type: "string",
      pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,9})?Z$",
      description: "Not before this time, such as 2026-11-27T19:00:00Z.",
    },
    limit: {
      type: "string",
      pattern: "^[1-9][0-9]{0,2}$",
      description: `So many, the newest first: ${DEFAULT_LIMIT} unless given, ${MAX_REFUSALS} at most.`,
    },
  },
  additionalProperties: false,
};

const REFUSAL: SchemaDocument = {
  type: "object",
  properties: {
    at: TEXT,
    request_id: TEXT,
    global_request_id: TEXT,
    kind: { enum: ["no_candidates", "claim"] },
    microversion: TEXT,
    user_id: TEXT,
    project_id: TEXT,
    query: { ...TEXT, description: "Of a query that nothing met." },
    explanation: {
      ...EXPLANATION,
      description: "Why; absent where there was no time to find out.",
    },
    status: COUNT,
    code: TEXT,
    detail: TEXT,
    consumer_uuid: UUID,
    consumers: { type: "array", items: UUID, description: "Where a claim is of several." },
    reason: {
      enum: [
        "out_of_capacity",
        "units",
        "no_inventory",
        "inventory_in_use",
        "unknown_provider",
        "consumer_generation",
        "provider_generation",
        "retries_exhausted",
        "other",
      ],
    },
    facts: { type: "object", description: "What the claim was refused for." },
  },
  required: ["at", "request_id", "kind", "microversion"],
};

export const REFUSALS: SchemaDocument = {
  type: "object",
  properties: {
    refusals: { type: "array", items: REFUSAL },
    dropped: {
      ...COUNT,
      description: "How many the process that answers could not write down, for all to read.",
    },
  },
  required: ["refusals", "dropped"],
};
