import { GANG_NAME, LEASE } from "../claims/schemas.ts";
import type { SchemaDocument } from "../../validation/schema.ts";

const TEXT = { type: "string" };
const NON_EMPTY = { type: "string", minLength: 1, maxLength: 255 };
const UUID = { type: "string", format: "uuid" };
const COUNT = { type: "integer" };
const OR_NULL = (schema: SchemaDocument): SchemaDocument => ({ anyOf: [schema, { type: "null" }] });

export const DEFAULT_LIMIT = 1000;

export const TIME = {
  type: "string",
  pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,9})?Z$",
};

export const CONSUMERS_QUERY: SchemaDocument = {
  type: "object",
  properties: {
    uuid: UUID,
    project_id: { ...NON_EMPTY, description: "Only this project's; with it, its readers may ask." },
    user_id: NON_EMPTY,
    type: { ...NON_EMPTY, description: "Of this type; unknown for those that have none." },
    provider: { ...UUID, description: "That hold something of this provider." },
    tree: { ...UUID, description: "That hold something in the tree of this provider." },
    resource_class: { ...NON_EMPTY, description: "That hold something of this class." },
    created_before: { ...TIME, description: "Such as 2026-11-27T19:00:00Z." },
    updated_before: TIME,
    held_on_trees: {
      type: "string",
      pattern: "^[1-9][0-9]{0,2}$",
      description: "That hold something in so many trees at least; those that share do not count.",
    },
    lease: {
      enum: ["expired"],
      description: "expired: of which the lease has ended, and nothing was taken back yet.",
    },
    gang: { ...GANG_NAME, description: "The members of this gang." },
    limit: {
      type: "string",
      pattern: "^([1-9][0-9]{0,2}|1000)$",
      description: `So many at most: ${DEFAULT_LIMIT} unless given, and not more.`,
    },
    after: {
      type: "string",
      pattern: "^[0-9]{1,16}$",
      description: "What an answer has as next: the page that follows it.",
    },
  },
  additionalProperties: false,
};

export const CONSUMER_MEMBERS = {
  uuid: TEXT,
  generation: COUNT,
  project_id: OR_NULL(TEXT),
  user_id: OR_NULL(TEXT),
  type: OR_NULL(TEXT),
  created_at: OR_NULL(TEXT),
  updated_at: OR_NULL(TEXT),
  trees: {
    ...COUNT,
    description: "In how many it holds something; those that share do not count.",
  },
  allocations: {
    type: "object",
    description: "By the UUID of the provider.",
    additionalProperties: {
      type: "object",
      properties: {
        resources: { type: "object", additionalProperties: COUNT },
        provider_name: { ...TEXT, description: "For those who may list providers." },
        root_provider_uuid: TEXT,
      },
      required: ["resources", "root_provider_uuid"],
    },
  },
};

export const CONSUMER = {
  type: "object",
  properties: CONSUMER_MEMBERS,
  required: ["uuid", "generation", "project_id", "user_id", "type", "trees", "allocations"],
} as const satisfies SchemaDocument;

/** With what it was granted besides. */
export const GRANTED_CONSUMER = {
  ...CONSUMER,
  properties: {
    ...CONSUMER_MEMBERS,
    granted_at: { ...OR_NULL(TEXT), description: "Where it has a lease, or is of a gang." },
    lease: { ...OR_NULL(LEASE), description: "null: it holds for good what it holds." },
    gang: OR_NULL({
      type: "object",
      properties: { name: TEXT, member: TEXT },
      required: ["name", "member"],
    }),
  },
  required: [...CONSUMER.required, "granted_at", "lease", "gang"],
} as const satisfies SchemaDocument;

export const CONSUMERS: SchemaDocument = {
  type: "object",
  properties: {
    consumers: { type: "array", items: GRANTED_CONSUMER },
    next: {
      ...OR_NULL(TEXT),
      description: "Null where there are no more; a page may have fewer than asked for, or none.",
    },
  },
  required: ["consumers", "next"],
};
