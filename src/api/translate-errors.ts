import type { PlacementError } from "../domain/errors.ts";
import type { HttpError } from "./http-error.ts";

/** One line of a handler's table of what an outcome is called outside. */
export interface ErrorRule {
  readonly matches: (error: unknown) => boolean;
  readonly translate: (error: PlacementError) => HttpError;
}

/** The abstract parents of errors count as well as the errors themselves. */
type ErrorClass = abstract new (...values: never[]) => PlacementError;

export function when(
  errorClass: ErrorClass,
  translate: (error: PlacementError) => HttpError,
): ErrorRule {
  return { matches: (error) => error instanceof errorClass, translate };
}

/**
 * The result of an operation; its error becomes what the first rule that matches says. What no rule
 * matches is left to the server, which answers 404 to what was not found, 409 to concurrent updates,
 * and 500 to the rest.
 */
export async function translatingErrors<Result>(
  operation: Promise<Result>,
  rules: readonly ErrorRule[],
): Promise<Result> {
  try {
    return await operation;
  } catch (error) {
    const rule = rules.find(({ matches }) => matches(error));
    // A rule matches only instances of its class, which are PlacementErrors.
    throw rule ? rule.translate(error as PlacementError) : error;
  }
}
