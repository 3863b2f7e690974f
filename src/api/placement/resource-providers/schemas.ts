import { defineSchema, type Schema } from "../../validation/schema.ts";
import { supports } from "../../microversions.ts";
import type { ApiRequest } from "../../request.ts";

const NAME = { type: "string", maxLength: 200 } as const;
const UUID = { type: "string", format: "uuid" } as const;
const PARENT = { anyOf: [UUID, { type: "null" }] } as const;

function providerBody(properties: Readonly<Record<string, unknown>>) {
  return { type: "object", properties, required: ["name"], additionalProperties: false };
}

interface NewProviderBody {
  readonly name: string;
  readonly uuid?: string;
  readonly parent_provider_uuid?: string | null;
}

const CREATE = defineSchema<NewProviderBody>(providerBody({ name: NAME, uuid: UUID }));
const CREATE_NESTED = defineSchema<NewProviderBody>(
  providerBody({ name: NAME, uuid: UUID, parent_provider_uuid: PARENT }),
);

type ProviderBody = Omit<NewProviderBody, "uuid">;

const UPDATE = defineSchema<ProviderBody>(providerBody({ name: NAME }));
const UPDATE_NESTED = defineSchema<ProviderBody>(
  providerBody({ name: NAME, parent_provider_uuid: PARENT }),
);

export function createSchema(request: ApiRequest): Schema<NewProviderBody> {
  return supports(request, "nestedProviders") ? CREATE_NESTED : CREATE;
}

export function updateSchema(request: ApiRequest): Schema<ProviderBody> {
  return supports(request, "nestedProviders") ? UPDATE_NESTED : UPDATE;
}

const TEXT = { type: "string" } as const;

/** Each version knows the parameters of the ones before it. */
const LIST_PARAMETERS = [
  { feature: "initial", parameters: { name: TEXT, uuid: UUID } },
  { feature: "memberOf", parameters: { member_of: TEXT } },
  { feature: "resourcesFilter", parameters: { resources: TEXT } },
  { feature: "nestedProviders", parameters: { in_tree: UUID } },
  { feature: "requiredFilter", parameters: { required: TEXT } },
] as const;

const LIST = LIST_PARAMETERS.map(({ feature }, position) => ({
  feature,
  schema: defineSchema({
    type: "object",
    properties: Object.assign(
      {},
      ...LIST_PARAMETERS.slice(0, position + 1).map(({ parameters }) => parameters),
    ),
    additionalProperties: false,
  }),
}));

export function listSchema(request: ApiRequest): Schema {
  const newest = LIST.findLast(({ feature }) => supports(request, feature));
  if (!newest) throw new Error("every version lists resource providers");
  return newest.schema;
}
