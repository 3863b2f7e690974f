import { PREFERENCES, type Preference } from "../../../domain/preference.ts";
import { CONSUMER_TYPE_PATTERN } from "../../patterns.ts";
import type { SchemaDocument } from "../../validation/schema.ts";
import { ONE_QUERY } from "../candidate-query.ts";
import { object } from "../object-schema.ts";

const COUNT = { type: "integer", minimum: 0 } as const;
const TEXT = { type: "string" } as const;
const UUID = { type: "string", format: "uuid" } as const;
const EXTERNAL_ID = { type: "string", minLength: 1, maxLength: 255 } as const;

/** What a request may say at most: told in `GET /stowage/v1`. */
export const CLAIM_LIMITS = {
  among: 10_000,
  notOn: 1000,
  attempts: 100,
  idempotencyKey: 255,
  /** Of a gang, of all kinds together. */
  members: 1000,
  /** Each of which asks for something else. */
  kinds: 100,
  rules: 20,
  /** Of one rule; and so many choices among those of several that members are to be within one of. */
  aggregates: 100,
  /** A shorter one would end while a busy service looks elsewhere; a longer one is none. */
  leaseSeconds: { least: 10, most: 30 * 24 * 60 * 60 },
};

/** What is meant by what is left out. */
export const CLAIM_DEFAULTS = {
  prefer: "random",
  among: 100,
  attempts: 10,
} as const satisfies Partial<ClaimBody>;

/** Of one consumer, with a query; or of a gang. */
export interface ClaimBody {
  readonly query?: string;
  readonly gang?: string;
  readonly members?: readonly MemberBody[];
  readonly rules?: readonly RuleBody[];
  readonly consumer: {
    readonly uuid?: string;
    readonly project_id: string;
    readonly user_id: string;
    readonly type: string;
    readonly generation?: number | null;
  };
  readonly prefer?: Preference;
  readonly among?: number;
  readonly not_on?: readonly string[];
  readonly attempts?: number;
  readonly lease?: LeaseBody;
  readonly dry_run?: boolean;
}

export interface MemberBody {
  readonly name: string;
  readonly count?: number;
  readonly query: string;
  readonly uuids?: readonly string[] | null;
}

/** One of the three, for these members or all. */
export interface RuleBody {
  readonly max_per_host?: number;
  readonly within_one_of?: readonly string[];
  readonly at_least_domains?: number;
  /** Of these aggregates, with the one before. */
  readonly of?: readonly string[];
  readonly members?: readonly string[];
}

export interface LeaseBody {
  readonly seconds: number;
}

export const LEASE_BODY: SchemaDocument = {
  type: "object",
  properties: {
    seconds: {
      type: "integer",
      minimum: CLAIM_LIMITS.leaseSeconds.least,
      maximum: CLAIM_LIMITS.leaseSeconds.most,
      description: "From now on, by the clock of the database.",
    },
  },
  required: ["seconds"],
  additionalProperties: false,
};

/** How long something is held, unless that is renewed. */
export const LEASE: SchemaDocument = object({
  seconds: COUNT,
  expires_at: { ...TEXT, description: "By the clock of the database." },
});

/** In lower case, which no database takes for something else. */
export const GANG_NAME = { type: "string", pattern: "^[a-z0-9][a-z0-9._-]{0,99}$" } as const;
const MEMBER_NAME = { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$" } as const;
const ATTEMPTED = { type: "integer", minimum: 1 } as const;
const AGGREGATES = {
  type: "array",
  minItems: 1,
  maxItems: CLAIM_LIMITS.aggregates,
  uniqueItems: true,
  items: UUID,
} as const;

const MEMBER: SchemaDocument = {
  type: "object",
  properties: {
    name: MEMBER_NAME,
    count: { ...ATTEMPTED, maximum: CLAIM_LIMITS.members, default: 1 },
    query: ONE_QUERY,
    uuids: {
      anyOf: [{ type: "array", items: UUID, maxItems: CLAIM_LIMITS.members }, { type: "null" }],
      description: "Of its consumers; they are made if there are none.",
    },
  },
  required: ["name", "query"],
  additionalProperties: false,
};

const RULE: SchemaDocument = {
  type: "object",
  properties: {
    max_per_host: { ...ATTEMPTED, description: "So many on one host at most." },
    within_one_of: { ...AGGREGATES, description: "All on hosts of one of these aggregates." },
    at_least_domains: {
      ...ATTEMPTED,
      maximum: CLAIM_LIMITS.aggregates,
      description: "On hosts of so many of the aggregates in of, at least.",
    },
    of: AGGREGATES,
    members: {
      type: "array",
      minItems: 1,
      maxItems: CLAIM_LIMITS.kinds,
      items: MEMBER_NAME,
      description: "Holds for these together; for all unless given.",
    },
  },
  additionalProperties: false,
};

export const BODY: SchemaDocument = {
  type: "object",
  properties: {
    query: ONE_QUERY,
    gang: {
      ...GANG_NAME,
      description: "In the place of query: all members are claimed, or none.",
    },
    members: { type: "array", minItems: 1, maxItems: CLAIM_LIMITS.kinds, items: MEMBER },
    rules: { type: "array", maxItems: CLAIM_LIMITS.rules, items: RULE },
    consumer: {
      type: "object",
      properties: {
        uuid: { ...UUID, description: "One is made if it is left out." },
        project_id: EXTERNAL_ID,
        user_id: EXTERNAL_ID,
        type: { ...EXTERNAL_ID, pattern: CONSUMER_TYPE_PATTERN },
        generation: {
          type: ["integer", "null"],
          description: "null, or left out, for a new one; else what it holds is replaced.",
        },
      },
      required: ["project_id", "user_id", "type"],
      additionalProperties: false,
    },
    prefer: {
      enum: PREFERENCES,
      default: CLAIM_DEFAULTS.prefer,
      description: "pack and spread: the highest or lowest mean share in use afterwards.",
    },
    among: {
      ...COUNT,
      maximum: CLAIM_LIMITS.among,
      default: CLAIM_DEFAULTS.among,
      description: "Of so many candidates pack and spread take the best; 0 for all.",
    },
    not_on: {
      type: "array",
      maxItems: CLAIM_LIMITS.notOn,
      items: { type: "string", minLength: 1, maxLength: 200 },
      description: "UUIDs or names of providers: nothing is taken from their trees.",
    },
    attempts: {
      type: "integer",
      minimum: 1,
      maximum: CLAIM_LIMITS.attempts,
      default: CLAIM_DEFAULTS.attempts,
      description: "How often to search, where others are faster.",
    },
    lease: {
      ...LEASE_BODY,
      description: "What is granted is released after so long, unless that is renewed.",
    },
    dry_run: { type: "boolean", description: "Tell what would be granted, and write nothing." },
  },
  required: ["consumer"],
  additionalProperties: false,
};

const AMOUNTS = { type: "object", additionalProperties: { type: "integer", minimum: 1 } };

export const CLAIMED: SchemaDocument = object({
  claims: {
    type: "array",
    items: withName({
      consumer: object({
        uuid: UUID,
        generation: COUNT,
        project_id: TEXT,
        user_id: TEXT,
        type: TEXT,
      }),
      allocations: {
        type: "object",
        additionalProperties: object({ generation: COUNT, resources: AMOUNTS }),
        description: "By the UUIDs of providers, with their generations afterwards.",
      },
      mappings: {
        type: "object",
        additionalProperties: { type: "array", items: UUID },
        description: "The providers that meet each request group, by its suffix.",
      },
      lease: { anyOf: [LEASE, { type: "null" }] },
    }),
  },
  attempts: { ...COUNT, description: "How often candidates were searched." },
  considered: { ...COUNT, description: "Among so many candidates the choice was made." },
});

/** A member of a gang has one as well. */
function withName(properties: Readonly<Record<string, unknown>>): SchemaDocument {
  const { required } = object(properties);
  return { ...object({ name: TEXT, ...properties }), required };
}
