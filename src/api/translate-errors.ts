import type { PlacementError } from "../domain/errors.ts";
import type { HttpError } from "./http-error.ts";

/** One line of a handler's table: what an outcome is called outside, if it is the one meant. */
export type ErrorRule = (error: unknown) => HttpError | undefined;

/** The abstract parents of errors count as well as the errors themselves. */
export function when<Outcome extends PlacementError>(
  errorClass: abstract new (...values: never[]) => Outcome,
  translate: (error: Outcome) => HttpError,
): ErrorRule {
  return (error) => (error instanceof errorClass ? translate(error) : undefined);
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
    for (const rule of rules) {
      const translated = rule(error);
      if (!translated) continue;
      translated.cause = error;
      throw translated;
    }
    throw error;
  }
}
