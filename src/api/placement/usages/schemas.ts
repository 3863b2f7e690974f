import { CONSUMER_TYPE_QUERY_PATTERN } from "../../patterns.ts";
import { defineSchema } from "../../validation/schema.ts";

const TEXT = { type: "string", minLength: 1, maxLength: 255 } as const;

function usagesQuery(properties: Readonly<Record<string, unknown>>) {
  return {
    type: "object",
    properties: { project_id: TEXT, user_id: TEXT, ...properties },
    required: ["project_id"],
    additionalProperties: false,
  };
}

export const TOTAL = defineSchema(usagesQuery({}));

export const TOTAL_BY_TYPE = defineSchema(
  usagesQuery({ consumer_type: { ...TEXT, pattern: CONSUMER_TYPE_QUERY_PATTERN } }),
);
