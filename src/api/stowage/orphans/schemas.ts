import { CONSUMER, CONSUMER_MEMBERS, TIME } from "../consumers/schemas.ts";
import type { SchemaDocument } from "../../validation/schema.ts";

const TEXT = { type: "string" };
const NON_EMPTY = { type: "string", minLength: 1, maxLength: 255 };
const UUID = { type: "string", format: "uuid" };
const COUNT = { type: "integer" };

/** In one document; more are sent as lines. */
export const MOST_IN_DOCUMENT = 5000;

const SCOPE = {
  type: "object",
  description: "Which consumers are meant.",
  properties: {
    resource_classes: {
      type: "array",
      maxItems: 100,
      items: NON_EMPTY,
      description: "That hold something of one of these; unless given, of any.",
    },
    types: {
      type: "array",
      maxItems: 100,
      items: { anyOf: [NON_EMPTY, { type: "null" }] },
      description: "Of these types: null, INSTANCE and MIGRATION unless given.",
    },
    tree: {
      anyOf: [UUID, { type: "null" }],
      description: "That hold something in the tree of this provider.",
    },
    min_age_seconds: {
      type: "integer",
      minimum: 0,
      maximum: 31_536_000,
      description: "Who is younger is taken for alive: 3600 unless given.",
    },
  },
  additionalProperties: false,
};

const HEAD_MEMBERS = {
  alive_as_of: {
    ...TIME,
    description: "When it was begun to find out who is alive: not in the future, nor a day ago.",
  },
  scope: SCOPE,
};

/** The first line, or all but the UUIDs. */
export const ORPHANS_HEAD: SchemaDocument = {
  type: "object",
  properties: HEAD_MEMBERS,
  required: ["alive_as_of"],
  additionalProperties: false,
};

export const ORPHANS_BODY: SchemaDocument = {
  ...ORPHANS_HEAD,
  description:
    "As application/x-ndjson: a line without alive, and then one UUID a line, for very many of them.",
  properties: {
    ...HEAD_MEMBERS,
    alive: {
      type: "array",
      maxItems: MOST_IN_DOCUMENT,
      items: UUID,
      description: "Everything that lives and may hold something: servers and migrations.",
    },
  },
  required: ["alive", "alive_as_of"],
};

export const ORPHANS: SchemaDocument = {
  type: "object",
  properties: {
    plan: { ...TEXT, description: "Another one where somebody else is dead, or has changed." },
    counts: {
      type: "object",
      properties: Object.fromEntries(
        ["consumers", "in_scope", "alive", "young", "dead", "doubled", "missing"].map((name) => [
          name,
          COUNT,
        ]),
      ),
    },
    dead: { type: "array", items: CONSUMER, description: "The first 10,000 of them." },
    doubled: {
      type: "array",
      items: {
        ...CONSUMER,
        properties: { ...CONSUMER_MEMBERS, trees: { type: "array", items: TEXT } },
      },
      description: "Alive, and in several trees, which are named; the first 1,000.",
    },
    missing: {
      type: "array",
      items: TEXT,
      description: "Alive, and hold nothing that is in scope; the first 1,000.",
    },
    freed: {
      type: "object",
      additionalProperties: COUNT,
      description: "What the dead hold, by resource class.",
    },
  },
  required: ["plan", "counts", "dead", "doubled", "missing", "freed"],
};

export const RELEASES_BODY: SchemaDocument = {
  type: "object",
  properties: {
    releases: {
      type: "array",
      minItems: 1,
      maxItems: 10_000,
      items: {
        type: "object",
        properties: {
          consumer: UUID,
          generation: {
            type: "integer",
            minimum: 0,
            maximum: 2_147_483_647,
            description: "Of the report: who has changed since is left alone.",
          },
          providers: {
            type: "array",
            minItems: 1,
            maxItems: 100,
            items: NON_EMPTY,
            description: "Only what it holds of these, by UUID or name.",
          },
        },
        required: ["consumer", "generation"],
        additionalProperties: false,
      },
    },
    dry_run: { type: "boolean", description: "True unless given." },
    reason: { ...NON_EMPTY, description: "For those who read the change feed." },
  },
  required: ["releases"],
  additionalProperties: false,
};

export const RELEASES: SchemaDocument = {
  type: "object",
  properties: {
    released: COUNT,
    would_release: COUNT,
    changed_since: { type: "array", items: TEXT },
    unknown: {
      type: "array",
      items: TEXT,
      description: "Hold nothing, or nothing of the providers.",
    },
    failed: {
      type: "array",
      items: { type: "object", properties: { consumer: TEXT, detail: TEXT } },
    },
  },
  required: ["released", "would_release", "changed_since", "unknown", "failed"],
};

export const RESTORATIONS_BODY: SchemaDocument = {
  type: "object",
  properties: {
    reason: { ...NON_EMPTY, description: "For which it was released." },
    dry_run: { type: "boolean", description: "True unless given." },
  },
  required: ["reason"],
  additionalProperties: false,
};

export const RESTORATIONS: SchemaDocument = {
  type: "object",
  properties: {
    restored: COUNT,
    would_restore: COUNT,
    changed_since: {
      type: "array",
      items: TEXT,
      description: "Something else has happened to them since the release, be it this.",
    },
    failed: {
      type: "array",
      items: { type: "object", properties: { consumer: TEXT, detail: TEXT } },
      description: "Such as those for which there is no room any more.",
    },
    is_more: {
      type: "boolean",
      description:
        "Whether more than 10,000 were released for the reason: the last of them are meant.",
    },
  },
  required: ["restored", "would_restore", "changed_since", "failed", "is_more"],
};
