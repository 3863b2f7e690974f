import { canonicalUuid } from "../domain/uuid.ts";
import type { ApiRequest } from "./request.ts";

/** A parameter of the path. */
export function pathParameter(request: ApiRequest, name: string): string {
  const value = request.parameters[name];
  if (value === undefined) throw new Error(`the route has no parameter ${name}`);
  return value;
}

/**
 * The UUID in the path in its one spelling. A text that is no UUID is left as it is: it names
 * nothing, and the answer says so.
 */
export function pathUuid(request: ApiRequest, name = "uuid"): string {
  const value = pathParameter(request, name);
  return canonicalUuid(value);
}
