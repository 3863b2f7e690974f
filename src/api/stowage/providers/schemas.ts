import type { SchemaDocument } from "../../validation/schema.ts";

const COUNT = { type: "integer" };
const TEXTS = { type: "array", items: { type: "string" } };
const UUID = { type: "string", format: "uuid" };

export const FLEET_QUERY: SchemaDocument = {
  type: "object",
  properties: {
    fields: {
      type: "string",
      description: "What to tell, with commas: inventories, usages, traits, aggregates.",
    },
    tree: { ...UUID, description: "Only the tree that this provider is in." },
    name: { type: "string", description: "Only the provider of this name." },
    member_of: {
      type: "string",
      description:
        "Only providers in this aggregate, as GET /resource_providers reads it; may be repeated.",
    },
    required: {
      type: "string",
      description: "Only providers with these traits, as there; may be repeated.",
    },
    resources: {
      type: "string",
      description: "Only providers that have room for these amounts, as there.",
    },
  },
  additionalProperties: false,
};

const PROVIDER: SchemaDocument = {
  type: "object",
  properties: {
    uuid: UUID,
    name: { type: "string" },
    generation: COUNT,
    root_provider_uuid: UUID,
    parent_provider_uuid: { anyOf: [UUID, { type: "null" }] },
    traits: TEXTS,
    aggregates: TEXTS,
    inventories: {
      type: "object",
      additionalProperties: {
        type: "object",
        properties: {
          total: COUNT,
          reserved: COUNT,
          min_unit: COUNT,
          max_unit: COUNT,
          step_size: COUNT,
          allocation_ratio: { type: "number" },
          capacity: COUNT,
          used: COUNT,
        },
      },
    },
  },
  required: ["uuid", "name", "generation", "root_provider_uuid", "parent_provider_uuid"],
};

const POSITION = {
  type: "string",
  description: "How far the change feed was read before: everything up to there is in the answer.",
};

export const FLEET: SchemaDocument = {
  type: "object",
  properties: { position: POSITION, providers: { type: "array", items: PROVIDER } },
  required: ["position", "providers"],
};

/** One line. */
export const FLEET_LINE: SchemaDocument = {
  anyOf: [
    {
      type: "object",
      properties: {
        position: POSITION,
        providers: { ...COUNT, description: "How many there are, asked for or not." },
      },
      required: ["position", "providers"],
    },
    PROVIDER,
    { type: "object", properties: { end: { const: true } }, required: ["end"] },
  ],
};
