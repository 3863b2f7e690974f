import { supports } from "./microversions.ts";
import type { ApiRequest } from "./request.ts";

interface Timestamps {
  readonly createdAt: Date | null;
  readonly updatedAt: Date | null;
}

/**
 * When the newest of some objects was changed last: now for none, and for those that do not know.
 * Since 1.15 every answer with a body says so.
 */
export function lastModified(
  request: ApiRequest,
  objects: Iterable<Timestamps> = [],
): { readonly lastModified?: Date } {
  if (!supports(request, "cacheHeaders")) return {};
  let newest: number | undefined;
  for (const { createdAt, updatedAt } of objects) {
    const time = (updatedAt ?? createdAt)?.getTime() ?? Date.now();
    if (newest === undefined || time > newest) newest = time;
  }
  return { lastModified: new Date(newest ?? Date.now()) };
}

/** @param seconds since 1970, of the newest of some objects; undefined for now */
export function modifiedAt(
  request: ApiRequest,
  seconds: number | undefined,
): { readonly lastModified?: Date } {
  if (!supports(request, "cacheHeaders")) return {};
  return { lastModified: new Date(seconds === undefined ? Date.now() : seconds * 1000) };
}
