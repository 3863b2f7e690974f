import { CUSTOM_NAME_PATTERN } from "../../patterns.ts";
import { defineSchema } from "../../validation/schema.ts";

export const NAMED = defineSchema<{ readonly name: string }>({
  type: "object",
  properties: { name: { type: "string", pattern: CUSTOM_NAME_PATTERN, maxLength: 255 } },
  required: ["name"],
  additionalProperties: false,
});
