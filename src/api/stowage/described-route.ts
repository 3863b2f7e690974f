import type { PolicyName } from "../../auth/policy/rules.ts";
import type { ApiRequest } from "../request.ts";
import type { Handler, Route, RouteDescription } from "../route.ts";
import { defineSchema, validateQuery, type SchemaDocument } from "../validation/schema.ts";

/** A method of our own: what it takes and gives, who may ask, and who answers. */
export interface DescribedRoute extends Omit<RouteDescription, "query"> {
  /** No parameters unless given. */
  readonly query?: SchemaDocument;
  /**
   * The rule that guards it; undefined where everybody may ask who has a token, or where the handler
   * authorizes, because the target is in the query.
   */
  readonly guard: PolicyName | undefined;
  /** Authorizes in the place of a rule, where the target is in the query. */
  readonly authorize?: (request: ApiRequest) => void;
  /** Answers without a token. */
  readonly isPublic?: boolean;
  /** The media types of a body; JSON unless given. */
  readonly consumes?: readonly string[];
  readonly takesMuch?: boolean;
  /**
   * Whether the answer tells how far the change feed was read before it was made; it does unless anybody may
   * ask. What the handler reads has all changes up to there.
   */
  readonly hasPosition?: boolean;
  /** @param position empty where the answer does not tell it */
  readonly handler: (request: ApiRequest, position: string) => ReturnType<Handler>;
  /** The handler picks the media type from any `Accept`, and refuses none. */
  readonly takesAnyAccept?: true;
}

/**
 * A method that is served as it is described: whom policy lets in gets a 400 for parameters that the
 * description does not have, so that a typing error is noticed. Bodies are the handler's to validate, by the
 * schema that is in the description.
 */
export function describedRoute({
  guard,
  isPublic = false,
  hasPosition = !isPublic,
  handler,
  query = NO_PARAMETERS,
  takesAnyAccept,
  authorize = (request) => {
    if (guard !== undefined) request.authorize(guard);
  },
  consumes = ["application/json"],
  takesMuch = false,
  ...description
}: DescribedRoute): Route {
  const schema = defineSchema(query);
  const mediaTypes = [...new Set(Object.values(description.answers).flatMap(Object.keys))];
  return {
    dialect: "stowage",
    isPublic,
    description: { ...description, query },
    ...(!takesAnyAccept && mediaTypes.length > 0 && { produces: mediaTypes }),
    ...(description.body && { consumes, takesMuch }),
    async handler(request) {
      authorize(request);
      validateQuery(schema, request.query);
      if (!hasPosition) return handler(request, "");
      const position = await request.service.position(request.context);
      return { position, ...(await handler(request, position)) };
    },
  };
}

const NO_PARAMETERS: SchemaDocument = {
  type: "object",
  properties: {},
  additionalProperties: false,
};
