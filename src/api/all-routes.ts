import { PLACEMENT_ROUTES } from "./placement/routes.ts";
import type { RouteTable } from "./route.ts";
import { STOWAGE_ROUTES } from "./stowage/routes.ts";

/** All that is served: Placement's API, and what it does not have. */
export const ALL_ROUTES: RouteTable = { ...PLACEMENT_ROUTES, ...STOWAGE_ROUTES };
