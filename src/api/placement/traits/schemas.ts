import { CUSTOM_NAME_PATTERN } from "../../patterns.ts";
import { defineSchema } from "../../validation/schema.ts";

const TRAIT = { type: "string", minLength: 1, maxLength: 255 } as const;

export const CUSTOM_TRAIT = defineSchema<string>({ ...TRAIT, pattern: CUSTOM_NAME_PATTERN });

export const LIST = defineSchema({
  type: "object",
  properties: { name: { type: "string" }, associated: { type: "string" } },
  additionalProperties: false,
});

export const SET = defineSchema<{
  readonly traits: readonly string[];
  readonly resource_provider_generation: number;
}>({
  type: "object",
  properties: {
    traits: { type: "array", items: TRAIT },
    resource_provider_generation: { type: "integer" },
  },
  required: ["traits", "resource_provider_generation"],
  additionalProperties: false,
});
