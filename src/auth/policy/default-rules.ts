type Scope = "project" | "domain" | "system";

/** A rule that is in force unless a policy file has one of the same name. */
export interface DefaultRule<Name extends string = string> {
  readonly name: Name;
  readonly check: string;
  /** For the sample file and the reference page. */
  readonly description: string;
  /** The scopes of a token that the rule is meant for, with `enforce_scope`; any if undefined. */
  readonly scopeTypes: readonly Scope[] | undefined;
  /** Method and path of the requests that the rule guards; empty for rules that others refer to. */
  readonly operations: readonly string[];
  /**
   * Whose project and user `%(project_id)s` and `%(user_id)s` are: the requester's own, or the
   * project that the query asks for (and no user).
   */
  readonly target: "requester" | "queried project";
  readonly deprecatedRule: DeprecatedRule | undefined;
}

/** What was the default before; or-ed in unless `enforce_new_defaults` is on. */
interface DeprecatedRule {
  readonly name: string;
  readonly check: string;
}

/** The name has its prefix twice upstream: a policy file that overrides it has to write it so. */
const DEPRECATED_ADMIN: DeprecatedRule = { name: "rule:admin_api", check: "role:admin" };

const COMMON = {
  scopeTypes: ["project"],
  operations: [],
  target: "requester",
  deprecatedRule: undefined,
} as const;

/** The rules that others refer to. */
export const BASE_RULES = [
  base("admin_api", "role:admin", "An administrator."),
  base("service_api", "role:service", "Another service of the cloud.", {
    deprecatedRule: DEPRECATED_ADMIN,
  }),
  base("admin_or_service_api", "role:admin or role:service", "Who may do almost everything.", {
    deprecatedRule: DEPRECATED_ADMIN,
  }),
  base(
    "project_reader_api",
    "role:reader and project_id:%(project_id)s",
    "A reader of the project that is asked for.",
    { scopeTypes: undefined, deprecatedRule: DEPRECATED_ADMIN },
  ),
  base(
    "admin_or_project_reader_or_service_api",
    "role:admin or rule:project_reader_api or role:service",
    "Who may see what a project uses.",
    { deprecatedRule: DEPRECATED_ADMIN },
  ),
] as const;

const ADMIN_OR_SERVICE = "rule:admin_or_service_api";

/** One rule per action of Placement's API. */
export const PLACEMENT_ACTIONS = [
  action("placement:resource_providers:list", "List resource providers.", [
    "GET /resource_providers",
  ]),
  action("placement:resource_providers:create", "Create a resource provider.", [
    "POST /resource_providers",
  ]),
  action("placement:resource_providers:show", "Show a resource provider.", [
    "GET /resource_providers/{uuid}",
  ]),
  action("placement:resource_providers:update", "Rename or move a resource provider.", [
    "PUT /resource_providers/{uuid}",
  ]),
  action("placement:resource_providers:delete", "Delete a resource provider.", [
    "DELETE /resource_providers/{uuid}",
  ]),

  action("placement:resource_classes:list", "List resource classes.", ["GET /resource_classes"]),
  action("placement:resource_classes:create", "Create a resource class.", [
    "POST /resource_classes",
  ]),
  action("placement:resource_classes:show", "Show a resource class.", [
    "GET /resource_classes/{name}",
  ]),
  action("placement:resource_classes:update", "Ensure or rename a resource class.", [
    "PUT /resource_classes/{name}",
  ]),
  action("placement:resource_classes:delete", "Delete a resource class.", [
    "DELETE /resource_classes/{name}",
  ]),

  action("placement:resource_providers:inventories:list", "List a provider's inventories.", [
    "GET /resource_providers/{uuid}/inventories",
  ]),
  action("placement:resource_providers:inventories:create", "Add an inventory to a provider.", [
    "POST /resource_providers/{uuid}/inventories",
  ]),
  action("placement:resource_providers:inventories:show", "Show an inventory of a provider.", [
    "GET /resource_providers/{uuid}/inventories/{resource_class}",
  ]),
  action("placement:resource_providers:inventories:update", "Replace inventories of a provider.", [
    "PUT /resource_providers/{uuid}/inventories",
    "PUT /resource_providers/{uuid}/inventories/{resource_class}",
  ]),
  action("placement:resource_providers:inventories:delete", "Delete inventories of a provider.", [
    "DELETE /resource_providers/{uuid}/inventories",
    "DELETE /resource_providers/{uuid}/inventories/{resource_class}",
  ]),

  action("placement:resource_providers:aggregates:list", "List a provider's aggregates.", [
    "GET /resource_providers/{uuid}/aggregates",
  ]),
  action("placement:resource_providers:aggregates:update", "Replace a provider's aggregates.", [
    "PUT /resource_providers/{uuid}/aggregates",
  ]),

  action("placement:resource_providers:usages", "Show how much of a provider is used.", [
    "GET /resource_providers/{uuid}/usages",
  ]),
  action("placement:usages", "Show how much a project uses.", ["GET /usages"], {
    check: "rule:admin_or_project_reader_or_service_api",
    target: "queried project",
  }),

  action("placement:traits:list", "List traits.", ["GET /traits"]),
  action("placement:traits:show", "Tell whether a trait exists.", ["GET /traits/{name}"]),
  action("placement:traits:update", "Create a trait.", ["PUT /traits/{name}"]),
  action("placement:traits:delete", "Delete a trait.", ["DELETE /traits/{name}"]),
  action("placement:resource_providers:traits:list", "List a provider's traits.", [
    "GET /resource_providers/{uuid}/traits",
  ]),
  action("placement:resource_providers:traits:update", "Replace a provider's traits.", [
    "PUT /resource_providers/{uuid}/traits",
  ]),
  action("placement:resource_providers:traits:delete", "Take all traits from a provider.", [
    "DELETE /resource_providers/{uuid}/traits",
  ]),

  action("placement:allocations:manage", "Change the allocations of several consumers at once.", [
    "POST /allocations",
  ]),
  action("placement:allocations:list", "List a consumer's allocations.", [
    "GET /allocations/{consumer_uuid}",
  ]),
  action("placement:allocations:update", "Replace a consumer's allocations.", [
    "PUT /allocations/{consumer_uuid}",
  ]),
  action("placement:allocations:delete", "Delete a consumer's allocations.", [
    "DELETE /allocations/{consumer_uuid}",
  ]),
  action("placement:resource_providers:allocations:list", "List the allocations of a provider.", [
    "GET /resource_providers/{uuid}/allocations",
  ]),

  action("placement:allocation_candidates:list", "Search for allocation candidates.", [
    "GET /allocation_candidates",
  ]),

  action(
    "placement:reshaper:reshape",
    "Change inventories and the allocations of them in one step.",
    ["POST /reshaper"],
    { check: "rule:service_api" },
  ),
] as const;

/** All rules of upstream, in its order. */
export const DEFAULT_RULES: readonly DefaultRule[] = [...BASE_RULES, ...PLACEMENT_ACTIONS];

function base(
  name: string,
  check: string,
  description: string,
  rest: Partial<DefaultRule> = {},
): DefaultRule {
  return { ...COMMON, name, check, description, ...rest };
}

function action<Name extends `placement:${string}`>(
  name: Name,
  description: string,
  operations: readonly string[],
  rest: Partial<Pick<DefaultRule, "check" | "target">> = {},
): DefaultRule<Name> {
  return { ...COMMON, name, check: ADMIN_OR_SERVICE, description, operations, ...rest };
}
