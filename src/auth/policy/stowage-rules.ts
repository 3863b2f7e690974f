import type { DefaultRule } from "./default-rules.ts";

const ADMIN_OR_SERVICE = "rule:admin_or_service_api";
const ADMIN_PROJECT_OR_SERVICE = "rule:admin_or_project_reader_or_service_api";
const ADMIN = "rule:admin_api";

/** One rule per action of the API that is Stowage's own. Placement takes no notice of such names. */
export const STOWAGE_RULES = [
  action("stowage:explain", "Ask why candidates are few, or none.", [
    "GET /stowage/v1/explain",
    "POST /stowage/v1/explain",
  ]),
  action("stowage:refusals", "Ask what requests did not get, and why.", [
    "GET /stowage/v1/refusals",
  ]),
  action("stowage:fit", "Ask how often a request fits, also in a fleet that is supposed.", [
    "GET /stowage/v1/fit",
    "POST /stowage/v1/fit",
  ]),
  action("stowage:claims:create", "Claim the best of the candidates of a query in one call.", [
    "POST /stowage/v1/claims",
  ]),
  action("stowage:claims:delete", "Release all members of a gang.", [
    "DELETE /stowage/v1/claims/{gang}",
  ]),
  action("stowage:leases:update", "Renew the lease of a consumer, or have it keep what it holds.", [
    "PUT /stowage/v1/consumers/{uuid}/lease",
    "DELETE /stowage/v1/consumers/{uuid}/lease",
  ]),
  action("stowage:providers:list", "Read all resource providers with all that they have.", [
    "GET /stowage/v1/providers",
  ]),
  action("stowage:events", "Watch what changes.", ["GET /stowage/v1/events"]),
  action(
    "stowage:consumers:list",
    "Search consumers; without project_id, those of all projects.",
    ["GET /stowage/v1/consumers"],
    { check: ADMIN_PROJECT_OR_SERVICE, target: "queried project" },
  ),
  action(
    "stowage:consumers:show",
    "See what a consumer holds.",
    ["GET /stowage/v1/consumers/{uuid}", "GET /stowage/v1/consumers/{uuid}/lease"],
    { check: ADMIN_PROJECT_OR_SERVICE, target: "queried project" },
  ),
  action(
    "stowage:consumers:history",
    "See what a consumer held, and who changed that.",
    ["GET /stowage/v1/consumers/{uuid}/history"],
    { check: ADMIN_PROJECT_OR_SERVICE, target: "queried project" },
  ),
  action(
    "stowage:providers:history",
    "See what became of a resource provider, and what consumers held of it.",
    ["GET /stowage/v1/providers/{uuid}/history"],
  ),
  action("stowage:orphans", "Find consumers that belong to nobody.", ["POST /stowage/v1/orphans"], {
    check: ADMIN,
  }),
  action("stowage:releases", "Let consumers go of what they hold.", ["POST /stowage/v1/releases"], {
    check: ADMIN,
  }),
  action(
    "stowage:restorations",
    "Have consumers hold again what they were let go of.",
    ["POST /stowage/v1/restorations"],
    { check: ADMIN },
  ),
  action("stowage:health", "See why the service is not ready; that it is not, everybody sees.", [
    "GET /readyz",
  ]),
  action("stowage:metrics", "Read the metrics of the service and of its providers.", [
    "GET /metrics",
    "GET /metrics/providers",
  ]),
] as const;

function action<Name extends `stowage:${string}`>(
  name: Name,
  description: string,
  operations: readonly string[],
  rest: Partial<Pick<DefaultRule, "check" | "target">> = {},
): DefaultRule<Name> {
  return {
    name,
    check: ADMIN_OR_SERVICE,
    description,
    scopeTypes: ["project"],
    operations,
    target: "requester",
    deprecatedRule: undefined,
    ...rest,
  };
}
