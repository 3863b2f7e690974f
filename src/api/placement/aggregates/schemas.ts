import { defineSchema } from "../../validation/schema.ts";

const AGGREGATES = {
  type: "array",
  items: { type: "string", format: "uuid" },
  uniqueItems: true,
} as const;

/** Below 1.19 the body is the list alone. */
export const SET = defineSchema<readonly string[]>(AGGREGATES);

export const SET_WITH_GENERATION = defineSchema<{
  readonly aggregates: readonly string[];
  readonly resource_provider_generation: number;
}>({
  type: "object",
  properties: { aggregates: AGGREGATES, resource_provider_generation: { type: "integer" } },
  required: ["aggregates", "resource_provider_generation"],
  additionalProperties: false,
});
