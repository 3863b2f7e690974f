import { type Feature, supports } from "../microversions.ts";
import { GROUP_SUFFIX_PATTERN, NUMBERED_GROUP_SUFFIX_PATTERN } from "../patterns.ts";
import type { VersionedQuery } from "../request.ts";
import { defineSchema, type Schema, type SchemaDocument } from "../validation/schema.ts";

// Upstream writes the same in two ways, and messages quote the schema.
const TEXT = { type: "string" } as const;
const ALSO_TEXT = { type: ["string"] } as const;
const LIMIT = {
  // Numbers come as text, but upstream's schema, which messages quote, takes them as well.
  type: ["integer", "string"],
  pattern: "^[1-9][0-9]*$",
  minimum: 1,
  minLength: 1,
} as const;
const GROUP_POLICY = { type: "string", enum: ["none", "isolate"] } as const;

/** Before request groups: every parameter has one name. */
function plain(properties: Readonly<Record<string, unknown>>): SchemaDocument {
  return {
    type: "object",
    properties: { resources: TEXT, ...properties },
    required: ["resources"],
    additionalProperties: false,
  };
}

/** With request groups: parameters of a group have names with a suffix. */
function grouped(
  parameters: readonly string[],
  suffix: string,
  properties: Readonly<Record<string, unknown>> = {},
): SchemaDocument {
  return {
    type: "object",
    properties: { limit: LIMIT, group_policy: GROUP_POLICY, ...properties },
    additionalProperties: false,
    patternProperties: Object.fromEntries(
      parameters.map((parameter) => [`^${parameter}(${suffix})?$`, TEXT]),
    ),
  };
}

const OF_GROUP = ["resources", "required", "member_of"];
const OF_GROUP_IN_TREE = [...OF_GROUP, "in_tree"];

const DOCUMENTS: readonly (readonly [since: Feature, document: SchemaDocument])[] = [
  ["allocationCandidates", plain({})],
  ["limit", plain({ limit: LIMIT })],
  ["candidateTraits", plain({ limit: LIMIT, required: ALSO_TEXT })],
  ["candidateMemberOf", plain({ limit: LIMIT, required: ALSO_TEXT, member_of: ALSO_TEXT })],
  ["granularGroups", grouped(OF_GROUP, NUMBERED_GROUP_SUFFIX_PATTERN)],
  ["candidateInTree", grouped(OF_GROUP_IN_TREE, NUMBERED_GROUP_SUFFIX_PATTERN)],
  ["namedGroups", grouped(OF_GROUP_IN_TREE, GROUP_SUFFIX_PATTERN)],
  ["rootRequired", grouped(OF_GROUP_IN_TREE, GROUP_SUFFIX_PATTERN, { root_required: ALSO_TEXT })],
  [
    "sameSubtree",
    grouped(OF_GROUP_IN_TREE, GROUP_SUFFIX_PATTERN, {
      root_required: ALSO_TEXT,
      same_subtree: ALSO_TEXT,
    }),
  ],
];

const SCHEMAS = DOCUMENTS.map(([since, document]) => ({ since, schema: defineSchema(document) }));

/** What the names and forms of the parameters must be in the version of a request. */
export function querySchema(request: VersionedQuery): Schema {
  const newest = SCHEMAS.findLast(({ since }) => supports(request, since));
  if (newest === undefined) throw new Error("the route exists since 1.10");
  return newest.schema;
}
