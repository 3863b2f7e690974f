import type { SchemaDocument } from "../../validation/schema.ts";
import { ONE_QUERY } from "../candidate-query.ts";
import { object } from "../object-schema.ts";

const COUNT = { type: "integer", minimum: 0 } as const;
const TEXT = { type: "string" } as const;

/** As many hosts as an answer may tell about, and how many it does unless asked for more. */
export const MAX_NEAREST = 100;
export const NEAREST = 3;

export interface ExplainBody {
  readonly query: string;
  readonly microversion?: string;
  readonly nearest?: number;
  readonly host?: string | null;
  readonly if_empty?: boolean;
}

export const BODY: SchemaDocument = {
  type: "object",
  properties: {
    query: ONE_QUERY,
    microversion: {
      type: "string",
      pattern: "^1\\.[1-9][0-9]$",
      description: "By which the query is read; 1.10 at least.",
    },
    nearest: { type: "integer", minimum: 0, maximum: MAX_NEAREST },
    host: {
      type: ["string", "null"],
      maxLength: 200,
      description: "UUID or name of a provider: only the tree that it belongs to is explained.",
    },
    if_empty: {
      type: "boolean",
      description: "Whether to find out what would fit if nothing were claimed; true unless given.",
    },
  },
  required: ["query"],
  additionalProperties: false,
};

const PROVIDER = object({ uuid: TEXT, name: TEXT });

const FAILURE = object(
  { constraint: TEXT },
  {
    failing: {
      type: "array",
      items: TEXT,
      description: "Of constraints taken together, the first ones that fail.",
    },
    has: { type: "array", items: TEXT, description: "The traits or aggregates that are there." },
    provider: PROVIDER,
    requested: COUNT,
    free: { ...COUNT, description: "The most that one allocation can get." },
    short: COUNT,
    capacity: { type: "number" },
    used: COUNT,
    reserved: COUNT,
    min_unit: COUNT,
    max_unit: COUNT,
    step_size: COUNT,
  },
);

const CONSTRAINT = object(
  {
    id: { ...TEXT, description: "The query parameter that would be taken out." },
    kind: TEXT,
    group: TEXT,
    eliminated: {
      ...COUNT,
      description: "Hosts that it removes of those left by the ones before.",
    },
    left: COUNT,
    failed: { ...COUNT, description: "Hosts in which it cannot hold, whatever else is dropped." },
    only: { ...COUNT, description: "Hosts that would fit if it alone were dropped." },
  },
  {
    resource_class: TEXT,
    requested: COUNT,
    trait: TEXT,
    traits: { type: "array", items: TEXT },
    aggregate: TEXT,
    aggregates: { type: "array", items: TEXT },
    provider: TEXT,
    groups: { type: "array", items: TEXT },
    constraints: { ...COUNT, description: "So many are taken together in this one." },
    causes: object({ no_inventory: COUNT, units: COUNT, too_small: COUNT, occupied: COUNT }),
    largest: object({ now: COUNT, if_empty: { type: "number", minimum: 0 } }),
    note: TEXT,
  },
);

export const EXPLANATION: SchemaDocument = object(
  {
    verdict: { enum: ["fits", "full", "never", "none", "unknown_name"] },
    summary: TEXT,
    microversion: TEXT,
  },
  {
    names: {
      type: "array",
      items: object({
        kind: { enum: ["resource_class", "trait"] },
        name: TEXT,
        similar: { type: "array", items: TEXT, maxItems: 3 },
      }),
    },
    hosts: object({ total: COUNT, fit: COUNT }, { fit_if_empty: COUNT }),
    constraints: { type: "array", items: CONSTRAINT },
    relaxations: {
      type: "array",
      items: object(
        { drop: { type: "array", items: TEXT }, hosts: COUNT },
        { lower: { type: "object", additionalProperties: COUNT } },
      ),
    },
    nearest: {
      type: "array",
      items: object({ root: PROVIDER, failures: { type: "array", items: FAILURE } }),
    },
    providers: {
      type: "array",
      items: object({ provider: PROVIDER, failures: { type: "array", items: FAILURE } }),
    },
    is_exact: {
      type: "boolean",
      description: "False where a bound was hit: what is told is proven, but not all there is.",
    },
  },
);
