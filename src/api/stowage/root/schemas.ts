import type { SchemaDocument } from "../../validation/schema.ts";

const COUNT = { type: "integer", minimum: 0 };

export const SERVICE: SchemaDocument = {
  type: "object",
  properties: {
    name: { const: "stowage" },
    version: { type: "string" },
    microversions: {
      type: "object",
      properties: { min: { type: "string" }, max: { type: "string" } },
      required: ["min", "max"],
    },
    capabilities: { type: "array", items: { type: "string" }, uniqueItems: true },
    limits: {
      type: "object",
      description: "Beyond these a request is refused.",
      properties: {
        query: {
          type: "object",
          description: "Of each kind of part in one query.",
          properties: {
            parameters: COUNT,
            groups: COUNT,
            resources: COUNT,
            traits: COUNT,
            aggregates: COUNT,
            same_subtrees: COUNT,
          },
          required: ["parameters", "groups", "resources", "traits", "aggregates", "same_subtrees"],
        },
        body_bytes: { ...COUNT, description: "Of a request about one provider or consumer." },
        largest_body_bytes: { ...COUNT, description: "Of a request about many." },
        streams: { ...COUNT, description: "Open at once in one process." },
        event_filters: { ...COUNT, description: "Values of each condition on events." },
        events: { ...COUNT, description: "In one answer to a client that polls." },
        explain: {
          type: "object",
          description: "Constraints of a query that is explained, and hosts that it tells about.",
          properties: { constraints: COUNT, nearest: COUNT },
          required: ["constraints", "nearest"],
        },
        history: { ...COUNT, description: "Entries in one answer." },
        refusals: { ...COUNT, description: "In one answer." },
        fit: {
          type: "object",
          description: "Of each kind of part in one question about what fits.",
          properties: { flavors: COUNT, suppositions: COUNT, aggregates: COUNT, hosts: COUNT },
          required: ["flavors", "suppositions", "aggregates", "hosts"],
        },
        claims: {
          type: "object",
          description: "Of a claim in one call.",
          properties: {
            among: COUNT,
            not_on: COUNT,
            attempts: COUNT,
            idempotency_key: { ...COUNT, description: "Characters." },
            lease_seconds: COUNT,
            members: { ...COUNT, description: "Of a gang." },
            rules: { ...COUNT, description: "Of a gang." },
            aggregates: { ...COUNT, description: "Of a rule." },
          },
          required: [
            "among",
            "not_on",
            "attempts",
            "idempotency_key",
            "lease_seconds",
            "members",
            "rules",
            "aggregates",
          ],
        },
      },
      required: [
        "query",
        "body_bytes",
        "largest_body_bytes",
        "streams",
        "event_filters",
        "events",
        "explain",
        "history",
        "refusals",
        "fit",
        "claims",
      ],
    },
    position: {
      type: "string",
      description: "How far the change feed was read, as in the header.",
    },
  },
  required: ["name", "version", "microversions", "capabilities", "limits", "position"],
};
