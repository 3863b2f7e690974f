import type { SchemaDocument } from "../../validation/schema.ts";
import { TIME } from "../consumers/schemas.ts";
import { CHANGED, HOLDINGS } from "../events/schemas.ts";

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1000;

const TEXT = { type: "string" };
const NULLABLE_TEXT = { type: ["string", "null"] };
const COUNT = { type: "integer" };
const AMOUNTS = { type: "object", additionalProperties: COUNT };

const QUERY_MEMBERS = {
  since: { ...TIME, description: "Not before this time, such as 2026-11-27T19:00:00Z." },
  until: { ...TIME, description: "Before this time." },
  at: {
    ...TIME,
    description:
      "What was held at this time, in the place of what happened; not with the others but limit and after.",
  },
  limit: {
    type: "string",
    pattern: "^([1-9][0-9]{0,2}|1000)$",
    description: `So many at most: ${DEFAULT_LIMIT} unless given, and not more than ${MAX_LIMIT}.`,
  },
  after: {
    type: "string",
    maxLength: 4096,
    description: "What an answer has as next: the page that follows it.",
  },
};

export const CONSUMER_HISTORY_QUERY: SchemaDocument = {
  type: "object",
  properties: QUERY_MEMBERS,
  additionalProperties: false,
};

export const PROVIDER_HISTORY_QUERY: SchemaDocument = {
  type: "object",
  properties: {
    ...QUERY_MEMBERS,
    resource_class: {
      type: "string",
      minLength: 1,
      maxLength: 255,
      description: "Only of which something of this class was given, taken back or offered.",
    },
  },
  additionalProperties: false,
};

const ENTRY_MEMBERS = {
  id: { ...TEXT, description: "Of the change, as the feed has it." },
  at: TEXT,
  kind: { enum: ["consumer", "consumer_deleted", "provider", "provider_deleted"] },
  request_id: { ...TEXT, description: "`trigger` where another program wrote." },
  global_request_id: TEXT,
  by: {
    type: "object",
    description: "Who asked.",
    properties: { user_id: NULLABLE_TEXT, project_id: NULLABLE_TEXT },
    required: ["user_id", "project_id"],
  },
  cause: { ...TEXT, description: "What was asked for, such as `PUT /allocations`." },
};
const REQUIRED = ["id", "at", "kind", "request_id", "by"];

const CONSUMER_ENTRY: SchemaDocument = {
  type: "object",
  properties: {
    ...ENTRY_MEMBERS,
    project_id: NULLABLE_TEXT,
    user_id: NULLABLE_TEXT,
    type: NULLABLE_TEXT,
    generation: {
      type: ["integer", "null"],
      description: "The new one; null of one that is gone.",
    },
    formerly: {
      type: "object",
      description: "What project, user and type were before, where they were others.",
    },
    was: HOLDINGS,
    now: HOLDINGS,
  },
  required: REQUIRED,
};

const PROVIDER_ENTRY: SchemaDocument = {
  type: "object",
  properties: {
    ...ENTRY_MEMBERS,
    consumer: { ...TEXT, description: "That got or gave up something of the provider." },
    project_id: { ...NULLABLE_TEXT, description: "Of the consumer." },
    was: { ...AMOUNTS, description: "What it held of the provider, by class." },
    now: AMOUNTS,
    used: {
      ...AMOUNTS,
      description:
        "How much of these classes was in use afterwards; missing where that cannot be told.",
    },
    generation: { type: ["integer", "null"], description: "Of the provider." },
    changed: {
      anyOf: [CHANGED, { type: "null" }],
      description: "What of the provider itself; null where another program wrote.",
    },
  },
  required: REQUIRED,
};

/** What was held at a time. */
const HELD: SchemaDocument = {
  type: "object",
  properties: {
    at: TEXT,
    held: {
      type: "object",
      description: "Amounts by class, by the UUID of the consumer, or of the provider.",
      additionalProperties: AMOUNTS,
    },
    is_exact: {
      type: "boolean",
      description: "Whether all that was changed since is known; other programs do not tell.",
    },
    next: NULLABLE_TEXT,
    kept_since: TEXT,
  },
  required: ["at", "held", "is_exact", "next", "kept_since"],
};

export const CONSUMER_HISTORY = answerOf(CONSUMER_ENTRY);
export const PROVIDER_HISTORY = answerOf(PROVIDER_ENTRY);

function answerOf(entry: SchemaDocument): SchemaDocument {
  const list: SchemaDocument = {
    type: "object",
    properties: {
      history: { type: "array", items: entry, description: "The newest first." },
      next: {
        ...NULLABLE_TEXT,
        description: "Null where there are no more; a page may have fewer than asked for, or none.",
      },
      kept_since: { ...TEXT, description: "Since when the history is whole." },
    },
    required: ["history", "next", "kept_since"],
  };
  return { anyOf: [list, HELD] };
}
