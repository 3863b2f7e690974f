import type { SchemaDocument } from "../../validation/schema.ts";
import { MAX_EVENTS } from "../../stream-limits.ts";

/** What there is to be told, as `kind` names it. */
export const KINDS = [
  "provider",
  "provider_deleted",
  "consumer",
  "consumer_deleted",
  "resource_class",
  "resource_class_deleted",
  "trait",
  "trait_deleted",
  "consumer_type",
  "everything",
] as const;

/** Seconds that a client may have itself kept waiting. */
export const MAX_WAIT = 60;

const UUID = { type: "string", format: "uuid" };
const REPEATED = "May be repeated.";
const NULLABLE_TEXT = { type: ["string", "null"] };
const FROM_TO = { type: "array", items: NULLABLE_TEXT, minItems: 2, maxItems: 2 };
const ADDED_AND_REMOVED = {
  type: "object",
  properties: {
    added: { type: "array", items: { type: "string" } },
    removed: { type: "array", items: { type: "string" } },
  },
  required: ["added", "removed"],
};
export const HOLDINGS = {
  type: ["object", "null"],
  description:
    "Amounts by class by the UUID of the provider; null where it is too long to be told.",
  additionalProperties: { type: "object", additionalProperties: { type: "integer" } },
};

export const EVENTS_QUERY: SchemaDocument = {
  type: "object",
  properties: {
    after: { type: "string", description: "A position; from now on unless given." },
    kind: { enum: KINDS, description: REPEATED },
    provider: { ...UUID, description: `Also of consumers that hold of it. ${REPEATED}` },
    consumer: { ...UUID, description: REPEATED },
    tree: { ...UUID, description: `Of any provider in the tree. ${REPEATED}` },
    project_id: { type: "string", description: `Of consumers. ${REPEATED}` },
    resource_class: { type: "string", description: REPEATED },
    wait: {
      type: "string",
      pattern: "^[0-9]{1,2}$",
      description: `Seconds to wait for an event, at most ${MAX_WAIT}; not for a stream.`,
    },
    limit: {
      type: "string",
      pattern: "^[0-9]{1,4}$",
      description: `Of events, at most ${MAX_EVENTS}; not for a stream.`,
    },
  },
  additionalProperties: false,
};

export const CHANGED: SchemaDocument = {
  type: "object",
  description:
    "From what to what; missing where only the usage has changed, or another program wrote.",
  properties: {
    name: FROM_TO,
    parent: FROM_TO,
    root: FROM_TO,
    inventories: {
      type: "object",
      additionalProperties: {
        type: "array",
        items: { type: ["object", "null"] },
        minItems: 2,
        maxItems: 2,
      },
    },
    traits: ADDED_AND_REMOVED,
    aggregates: ADDED_AND_REMOVED,
    is_cut: { const: true },
  },
};

const EVENT: SchemaDocument = {
  type: "object",
  properties: {
    id: { type: "string" },
    time: NULLABLE_TEXT,
    source: { const: "/stowage" },
    type: { enum: KINDS },
    subject: {
      ...NULLABLE_TEXT,
      description: "A UUID or name; null where it is not known any more.",
    },
    request_id: { type: "string", description: "`trigger` where another program wrote." },
    global_request_id: { type: "string" },
    cause: { type: "string", description: "What was asked for, such as `PUT /allocations`." },
    user_id: { ...NULLABLE_TEXT, description: "Who asked." },
    project_id: NULLABLE_TEXT,
    data: {
      type: ["object", "null"],
      properties: {
        project_id: NULLABLE_TEXT,
        user_id: NULLABLE_TEXT,
        type: NULLABLE_TEXT,
        generation: { type: ["integer", "null"] },
        formerly: { type: "object" },
        was: HOLDINGS,
        now: HOLDINGS,
        name: { type: ["string", "array"] },
        root: { type: "string" },
        parent: NULLABLE_TEXT,
        usages: {
          type: "object",
          additionalProperties: {
            type: "object",
            properties: { used: { type: "integer" }, capacity: { type: "integer" } },
            required: ["used", "capacity"],
          },
        },
        changed: CHANGED,
      },
    },
  },
  required: [
    "id",
    "time",
    "source",
    "type",
    "subject",
    "request_id",
    "user_id",
    "project_id",
    "data",
  ],
};

export const EVENTS: SchemaDocument = {
  type: "object",
  properties: {
    events: { type: "array", items: EVENT },
    position: { type: "string", description: "To be given as `after` next time." },
    is_more: { type: "boolean", description: "Whether there may be more at once." },
  },
  required: ["events", "position", "is_more"],
};

export const EVENT_STREAM: SchemaDocument = {
  type: "string",
  description:
    "Server-sent events: `id` is a position, `event` the type, `data` the event; besides those, `position` " +
    "every 15 seconds without news, and `gone` before the end where the next events cannot be told.",
};
