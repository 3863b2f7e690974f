import { PER_HOST } from "../../../domain/fit.ts";
import { MAX_ALLOCATION_RATIO, MAX_INT } from "../../../domain/inventory.ts";
import type { SchemaDocument } from "../../validation/schema.ts";
import { QUERY_TEXT } from "../candidate-query.ts";
import { object } from "../object-schema.ts";

const COUNT = { type: "number", minimum: 0 } as const;
const TEXT = { type: "string" } as const;

/** Beyond these a request is refused. */
export const FIT_LIMITS = {
  flavors: 500,
  suppositions: 100,
  /** For which the answer tells a number, and which can have a limit. */
  aggregates: 100,
  /** That the answer tells about. */
  hosts: 100,
} as const;

/** The hosts that take most are told unless more are asked for. */
export const DEFAULT_HOSTS = 3;

export interface FitBody {
  readonly flavors?: Readonly<Record<string, string>>;
  readonly microversion?: string;
  readonly spread?: {
    readonly max_per_host?: number;
    readonly max_per_aggregate?: { readonly aggregates: readonly string[]; readonly max: number };
  };
  readonly hosts?: number;
  readonly by_aggregate?: readonly string[];
  readonly suppose?: readonly SuppositionBody[];
}

/** One of these; `required` goes with `drain`. */
export interface SuppositionBody {
  readonly without?: string;
  readonly empty?: string;
  readonly add?: { readonly like: string; readonly count: number };
  readonly set?: SetBody;
  readonly drain?: string;
  readonly required?: string;
}

interface SetBody {
  readonly provider: string;
  readonly resource_class: string;
  readonly total?: number;
  readonly reserved?: number;
  readonly min_unit?: number;
  readonly max_unit?: number;
  readonly step_size?: number;
  readonly allocation_ratio?: number;
}

const PROVIDER = {
  type: "string",
  minLength: 1,
  maxLength: 200,
  description: "UUID or name of a resource provider.",
} as const;

const AGGREGATES = {
  type: "array",
  items: { type: "string", format: "uuid" },
  maxItems: FIT_LIMITS.aggregates,
} as const;

function amount(minimum: number) {
  return { type: "integer", minimum, maximum: MAX_INT };
}

const SET = {
  type: "object",
  properties: {
    provider: { ...PROVIDER, description: "`*` stands for all that have inventory of the class." },
    resource_class: { type: "string", minLength: 1, maxLength: 255 },
    total: amount(1),
    reserved: amount(0),
    min_unit: amount(1),
    max_unit: amount(1),
    step_size: amount(1),
    allocation_ratio: { type: "number", minimum: 0, maximum: MAX_ALLOCATION_RATIO },
  },
  required: ["provider", "resource_class"],
  minProperties: 3,
  additionalProperties: false,
};

export const FIT_BODY: SchemaDocument = {
  type: "object",
  properties: {
    flavors: {
      type: "object",
      additionalProperties: QUERY_TEXT,
      minProperties: 1,
      description:
        `Queries by any name, ${FIT_LIMITS.flavors} at most, each as that of ` +
        "GET /allocation_candidates; its limit is ignored.",
    },
    microversion: {
      type: "string",
      pattern: "^1\\.[1-9][0-9]$",
      description: "By which the queries are read; 1.10 at least.",
    },
    spread: {
      type: "object",
      properties: {
        max_per_host: amount(1),
        max_per_aggregate: {
          type: "object",
          properties: { aggregates: { ...AGGREGATES, minItems: 1 }, max: amount(1) },
          required: ["aggregates", "max"],
          additionalProperties: false,
        },
      },
      additionalProperties: false,
    },
    hosts: { type: "integer", minimum: 0, maximum: FIT_LIMITS.hosts },
    by_aggregate: AGGREGATES,
    suppose: {
      type: "array",
      description: `${FIT_LIMITS.suppositions} at most, made in their order.`,
      items: {
        type: "object",
        properties: {
          without: PROVIDER,
          empty: PROVIDER,
          add: {
            type: "object",
            properties: {
              like: PROVIDER,
              count: { type: "integer", minimum: 1, maximum: 100_000 },
            },
            required: ["like", "count"],
            additionalProperties: false,
          },
          set: SET,
          drain: PROVIDER,
          required: {
            ...QUERY_TEXT,
            description: "With `drain`: traits that the hosts must have, as in a query.",
          },
        },
        minProperties: 1,
        additionalProperties: false,
      },
    },
  },
  additionalProperties: false,
};

const FIT = object(
  {
    total: { ...COUNT, description: "How often the request can be claimed, until nothing fits." },
    at_most: { ...COUNT, description: "What the sums of free amounts allow." },
    hosts_with_room: COUNT,
    of_hosts: COUNT,
    if_empty: object({ total: COUNT, hosts_with_room: COUNT }),
    bounded_by: {
      type: "object",
      additionalProperties: COUNT,
      description: "Hosts with room, by what they run out of first.",
    },
    per_host: {
      ...object(Object.fromEntries(PER_HOST.map(({ name }) => [name, COUNT]))),
      description: "Hosts, by how many each takes.",
    },
    hosts: {
      type: "array",
      items: object({
        root: object({ uuid: TEXT, name: TEXT }),
        count: COUNT,
        bounded_by: TEXT,
      }),
    },
  },
  { by_aggregate: { type: "object", additionalProperties: COUNT } },
);

const HELD = { type: "object", additionalProperties: COUNT };

const DRAINED = object({
  consumers: COUNT,
  placed: COUNT,
  not_placed: { type: "array", items: object({ consumer_uuid: TEXT, resources: HELD }) },
  moves: {
    type: "array",
    items: object({
      consumer_uuid: TEXT,
      to: object({ uuid: TEXT, name: TEXT }),
      allocations: { type: "object", additionalProperties: object({ resources: HELD }) },
    }),
  },
  is_exact: { const: false },
});

export const FITS: SchemaDocument = object(
  {
    flavors: { type: "object", additionalProperties: FIT },
    position: TEXT,
  },
  { drained: { type: "object", additionalProperties: DRAINED } },
);
