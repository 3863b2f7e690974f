import { Ajv } from "ajv";
import { expect } from "vitest";

import type { Route } from "../../src/api/route.ts";
import { STOWAGE_ROUTES } from "../../src/api/stowage/routes.ts";
import type { SchemaDocument } from "../../src/api/validation/schema.ts";

/** A method of ours as the table of routes has it. */
export interface DescribedMethod {
  /** Such as `GET /stowage/v1`. */
  readonly label: string;
  readonly method: string;
  readonly template: string;
  readonly route: Route;
}

export const DESCRIBED_METHODS: readonly DescribedMethod[] = Object.entries(STOWAGE_ROUTES).flatMap(
  ([template, methods]) =>
    Object.entries(methods).map(([method, route]) => ({
      label: `${method} ${template}`,
      method,
      template,
      route,
    })),
);

/**
 * The answer meets what the method says of its status and media type, and has no member beyond that.
 *
 * @param value one document of the answer: of a stream, one of its parts
 */
export function expectAsDescribed(
  { label, route }: DescribedMethod,
  response: Response,
  value: unknown,
): void {
  const type = (response.headers.get("content-type") ?? "").split(";")[0]!.trim();
  const answers = route.description?.answers[response.status];
  if (response.status === 204) {
    expect([answers, value], label).toEqual([{}, ""]);
    return;
  }
  const document = answers?.[type];
  expect(document, `${label} says nothing of ${response.status} ${type}`).toBeDefined();
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  const validate = ajv.compile(closed(document!));
  expect(validate(value), `${label}: ${ajv.errorsText(validate.errors)}`).toBe(true);
}

/** The schema without room for members that it does not name: clients are to learn of all. */
export function closed(document: SchemaDocument): SchemaDocument {
  const inner = Object.entries(document).map(([keyword, value]) => [keyword, closedValue(value)]);
  const isOpen = "properties" in document && !("additionalProperties" in document);
  return { ...Object.fromEntries(inner), ...(isOpen && { additionalProperties: false }) };
}

function closedValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closedValue);
  return typeof value === "object" && value !== null ? closed(value as SchemaDocument) : value;
}
