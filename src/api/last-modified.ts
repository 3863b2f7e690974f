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

/** The newest of some objects, of which there may be so many that they are looked at in slices. */
export class Newest {
  #seconds = 0;
  #areAllKnown = true;

  /** When one was made or changed, in seconds since 1970; undefined where that is not known. */
  note(seconds: number | undefined): void {
    if (seconds === undefined) this.#areAllKnown = false;
    else if (seconds > this.#seconds) this.#seconds = seconds;
  }

  noteRecord({ createdAt, updatedAt }: Timestamps): void {
    const date = updatedAt ?? createdAt;
    this.note(date ? Math.floor(date.getTime() / 1000) : undefined);
  }

  /** Undefined for none, and where one does not know. */
  get seconds(): number | undefined {
    return this.#areAllKnown && this.#seconds > 0 ? this.#seconds : undefined;
  }
}

/** @param seconds since 1970, of the newest of some objects; undefined for now */
export function modifiedAt(
  request: ApiRequest,
  seconds: number | undefined,
): { readonly lastModified?: Date } {
  if (!supports(request, "cacheHeaders")) return {};
  return { lastModified: new Date(seconds === undefined ? Date.now() : seconds * 1000) };
}
