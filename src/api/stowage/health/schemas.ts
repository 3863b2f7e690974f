import type { SchemaDocument } from "../../validation/schema.ts";

export const ALIVE: SchemaDocument = {
  type: "object",
  properties: { status: { const: "alive" } },
  required: ["status"],
};

const CHECK: SchemaDocument = {
  type: "object",
  properties: {
    is_ok: { type: "boolean" },
    detail: {
      type: "string",
      description: "What is wrong, for those whom the policy rule `stowage:health` allows to know.",
    },
  },
  required: ["is_ok"],
};

export const READINESS: SchemaDocument = {
  type: "object",
  properties: {
    status: { enum: ["ready", "not ready"] },
    checks: {
      type: "object",
      properties: { database: CHECK, schema: CHECK, read_model: CHECK },
      required: ["database", "schema", "read_model"],
    },
  },
  required: ["status", "checks"],
};

/** Whatever a probe sends along: it is not to fail for that. */
export const ANY_QUERY: SchemaDocument = { type: "object" };
