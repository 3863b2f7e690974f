import { PLACEMENT_ROUTES } from "./placement/routes.ts";
import type { Route, RouteTable } from "./route.ts";
import { STOWAGE_ROUTES } from "./stowage/routes.ts";

/** All that is served: Placement's API, and what it does not have. */
export const ALL_ROUTES: RouteTable = { ...PLACEMENT_ROUTES, ...STOWAGE_ROUTES };

/** What those may see without a token whom the separate address lets in. */
export const UNGUARDED_ROUTES: RouteTable = Object.fromEntries(
  Object.entries(STOWAGE_ROUTES)
    .filter(([path]) => /^\/(metrics|healthz|readyz)\b/.test(path))
    .map(([path, methods]) => [path, withoutToken(methods)]),
);

function withoutToken(methods: Readonly<Record<string, Route>>): Record<string, Route> {
  return Object.fromEntries(
    Object.entries(methods).map(([method, route]) => [method, { ...route, isPublic: true }]),
  );
}
