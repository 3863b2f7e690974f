import { supports } from "../../microversions.ts";
import {
  CONSUMER_TYPE_PATTERN,
  GROUP_SUFFIX_PATTERN,
  RESOURCE_CLASS_PATTERN,
  UUID_PATTERN,
} from "../../patterns.ts";
import type { ApiRequest } from "../../request.ts";
import { defineSchema, type Schema } from "../../validation/schema.ts";

type Resources = Readonly<Record<string, number>>;

/** Below 1.12: a list, each with the provider inside. */
interface ListedAllocationsBody {
  readonly allocations: readonly {
    readonly resource_provider: { readonly uuid: string };
    readonly resources: Resources;
  }[];
  readonly project_id?: string;
  readonly user_id?: string;
}

/** Since 1.12: by the UUID of the provider, as `GET` shows it. */
export interface AllocationsBody {
  readonly allocations: Readonly<Record<string, { readonly resources: Resources }>>;
  readonly project_id: string;
  readonly user_id: string;
  readonly consumer_generation?: number | null;
  readonly consumer_type?: string;
}

/** Allocations of several consumers, by their UUIDs. */
export type ManyAllocationsBody = Readonly<Record<string, AllocationsBody>>;

const EXTERNAL_ID = { type: "string", minLength: 1, maxLength: 255 } as const;

const RESOURCES = {
  type: "object",
  minProperties: 1,
  patternProperties: { [RESOURCE_CLASS_PATTERN]: { type: "integer", minimum: 1 } },
  additionalProperties: false,
} as const;

const LISTED_PROPERTIES = {
  allocations: {
    type: "array",
    minItems: 1,
    items: {
      type: "object",
      properties: {
        resource_provider: {
          type: "object",
          properties: { uuid: { type: "string", format: "uuid" } },
          additionalProperties: false,
          required: ["uuid"],
        },
        resources: RESOURCES,
      },
      required: ["resource_provider", "resources"],
      additionalProperties: false,
    },
  },
} as const;

const LISTED = defineSchema<ListedAllocationsBody>({
  type: "object",
  properties: LISTED_PROPERTIES,
  required: ["allocations"],
  additionalProperties: false,
});

const LISTED_WITH_OWNER = defineSchema<ListedAllocationsBody>({
  type: "object",
  properties: { ...LISTED_PROPERTIES, project_id: EXTERNAL_ID, user_id: EXTERNAL_ID },
  required: ["allocations", "project_id", "user_id"],
  additionalProperties: false,
});

/** What each version added to the allocations of one consumer. */
interface Additions {
  /** Since 1.28, and in POST always: no allocations at all remove what there is. */
  readonly mayBeEmpty: boolean;
  readonly hasGeneration: boolean;
  readonly hasMappings: boolean;
  readonly hasType: boolean;
}

function allocationsDocument({ mayBeEmpty, hasGeneration, hasMappings, hasType }: Additions) {
  return {
    type: "object",
    properties: {
      allocations: {
        type: "object",
        minProperties: mayBeEmpty ? 0 : 1,
        patternProperties: {
          [UUID_PATTERN]: {
            type: "object",
            // A generation is taken as candidates and GET give it, and ignored.
            properties: { generation: { type: "integer" }, resources: RESOURCES },
            required: ["resources"],
            additionalProperties: false,
          },
        },
        additionalProperties: false,
      },
      project_id: EXTERNAL_ID,
      user_id: EXTERNAL_ID,
      ...(hasGeneration && { consumer_generation: GENERATION }),
      ...(hasMappings && { mappings: MAPPINGS }),
      ...(hasType && { consumer_type: { ...EXTERNAL_ID, pattern: CONSUMER_TYPE_PATTERN } }),
    },
    additionalProperties: false,
    required: [
      "allocations",
      "project_id",
      "user_id",
      ...(hasGeneration ? ["consumer_generation"] : []),
      ...(hasType ? ["consumer_type"] : []),
    ],
  };
}

const GENERATION = { type: ["integer", "null"], additionalProperties: false } as const;

/** Which provider met which request group, as candidates give it: accepted and ignored. */
const MAPPINGS = {
  type: "object",
  minProperties: 1,
  patternProperties: {
    [GROUP_SUFFIX_PATTERN]: {
      type: "array",
      minItems: 1,
      items: { type: "string", format: "uuid" },
    },
  },
} as const;

const BEFORE_GENERATIONS: Additions = {
  mayBeEmpty: true,
  hasGeneration: false,
  hasMappings: false,
  hasType: false,
};

/** The allocations of one consumer in a body that may hold many, newest version first. */
const VERSIONS = [
  {
    feature: "consumerTypes",
    document: allocationsDocument({
      mayBeEmpty: true,
      hasGeneration: true,
      hasMappings: true,
      hasType: true,
    }),
  },
  {
    feature: "mappings",
    document: allocationsDocument({
      mayBeEmpty: true,
      hasGeneration: true,
      hasMappings: true,
      hasType: false,
    }),
  },
  {
    feature: "consumerGeneration",
    document: allocationsDocument({
      mayBeEmpty: true,
      hasGeneration: true,
      hasMappings: false,
      hasType: false,
    }),
  },
  { feature: "allocationsByProvider", document: allocationsDocument(BEFORE_GENERATIONS) },
] as const;

/** @param minProperties how many consumers there must be at least; the reshaper needs none */
export function manyAllocationsDocument(
  document: ReturnType<typeof allocationsDocument>,
  minProperties: 0 | 1,
) {
  return {
    type: "object",
    minProperties,
    additionalProperties: false,
    patternProperties: { [UUID_PATTERN]: document },
  };
}

/** The document about one consumer in the version of a request. */
function versionOf(request: ApiRequest): (typeof VERSIONS)[number] {
  const version = VERSIONS.find(({ feature }) => supports(request, feature));
  if (!version) throw new Error("allocations are listed below 1.12");
  return version;
}

/** The versions of a body that is built around those documents, each compiled once. */
export function defineVersions<T>(
  build: (document: ReturnType<typeof allocationsDocument>) => Readonly<Record<string, unknown>>,
): (request: ApiRequest) => Schema<T> {
  const schemas = new Map(
    VERSIONS.map((version) => [version.feature, defineSchema<T>(build(version.document))]),
  );
  return (request) => {
    const schema = schemas.get(versionOf(request).feature);
    if (!schema) throw new Error("every version has a schema");
    return schema;
  };
}

const ONE_WITH_GENERATION = defineVersions<AllocationsBody>((document) => document);
/** From 1.12 to 1.27 PUT takes no empty allocations. */
const ONE_NOT_EMPTY = defineSchema<AllocationsBody>(
  allocationsDocument({ ...BEFORE_GENERATIONS, mayBeEmpty: false }),
);

export function oneSchema(request: ApiRequest): Schema<AllocationsBody> {
  return supports(request, "consumerGeneration") ? ONE_WITH_GENERATION(request) : ONE_NOT_EMPTY;
}

export function listedSchema(request: ApiRequest): Schema<ListedAllocationsBody> {
  return supports(request, "consumerOwner") ? LISTED_WITH_OWNER : LISTED;
}

export const manySchema = defineVersions<ManyAllocationsBody>((document) =>
  manyAllocationsDocument(document, 1),
);
