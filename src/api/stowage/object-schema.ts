import type { SchemaDocument } from "../validation/schema.ts";

/** The schema of an object of an answer, which may gain members later. */
export function object(
  required: Readonly<Record<string, unknown>>,
  optional: Readonly<Record<string, unknown>> = {},
): SchemaDocument {
  return {
    type: "object",
    properties: { ...required, ...optional },
    required: Object.keys(required),
  };
}
