import { PREFERENCES, type Preference } from "../../../operations/claim-proposals.ts";
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
  /** A shorter one would end while a busy service looks elsewhere; a longer one is none. */
  leaseSeconds: { least: 10, most: 30 * 24 * 60 * 60 },
};

/** What is meant by what is left out. */
export const CLAIM_DEFAULTS = {
  prefer: "random",
  among: 100,
  attempts: 10,
} as const satisfies Partial<ClaimBody>;

export interface ClaimBody {
  readonly query: string;
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

export const BODY: SchemaDocument = {
  type: "object",
  properties: {
    query: ONE_QUERY,
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
  required: ["query", "consumer"],
  additionalProperties: false,
};

const AMOUNTS = { type: "object", additionalProperties: { type: "integer", minimum: 1 } };

export const CLAIMED: SchemaDocument = object({
  claims: {
    type: "array",
    items: object({
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
