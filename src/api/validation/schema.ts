import { Ajv } from "ajv";
import { isUuidLike } from "../../domain/uuid.ts";
import { badRequest } from "../http-error.ts";
import type { ApiRequest, QueryParameters } from "../request.ts";
import { explain, type FormatCheck, type SchemaDocument } from "./explain.ts";
import { parseJson } from "./parse-json.ts";

export type { SchemaDocument } from "./explain.ts";

/**
 * A JSON schema, compiled when it is first needed.
 *
 * `T` is what the schema admits; it is up to the writer of the schema that the two agree.
 */
export interface Schema<T = unknown> {
  readonly document: SchemaDocument;
  /** The value, which meets the schema, or else a 400 with upstream's text. */
  validate(value: unknown): T;
  /** The same for a query string, in which UUIDs must have their dashes where they belong. */
  validateQuery(query: QueryParameters): void;
}

export function defineSchema<T = unknown>(document: SchemaDocument): Schema<T> {
  const body = lazily(() => compile<T>(document, OF_BODIES, "JSON does not validate"));
  const query = lazily(() => compile(document, OF_QUERIES, "Invalid query string parameters"));
  if (JSON.stringify(document).length > LARGE) large.push(body);
  return {
    document,
    validate: (value) => body()(value),
    validateQuery: ({ pairs }) => void query()(Object.fromEntries(pairs)),
  };
}

/** To compile what is longer takes 2 to 7 ms, what is shorter one or two. */
const LARGE = 600;

/** What compiles the large ones. */
const large: (() => unknown)[] = [];

/**
 * Compiles the large schemas of bodies one by one, so that no request has to: the first would take 20 ms and more,
 * as the compiler itself is not warm yet. It pauses after each.
 */
export function* compileLargeSchemas(): Generator<void, void> {
  OF_BODIES.ajv();
  yield;
  OF_BODIES.ajv().compile({ type: "array", items: { type: "string" } });
  for (const compileOne of large) {
    yield;
    compileOne();
  }
}

/** The body of a request as JSON that meets a schema; anything else is a 400. */
export async function readJson<T>(
  request: Pick<ApiRequest, "readBody">,
  schema: Schema<T>,
): Promise<T> {
  return schema.validate(parseJson(await request.readBody()));
}

export function validateQuery(schema: Schema, query: QueryParameters): void {
  schema.validateQuery(query);
}

/** In bodies, upstream takes every spelling that Python's `uuid.UUID` takes. */
const BODY_FORMATS = {
  uuid: (value: unknown) => typeof value === "string" && isUuidLike(value),
};

/** In query strings, upstream uses the check of jsonschema itself, which insists on dashes. */
const QUERY_FORMATS = {
  uuid: (value: unknown) =>
    typeof value !== "string" ||
    (isUuidLike(value) && [8, 13, 18, 23].every((position) => value[position] === "-")),
};

interface Dialect {
  readonly formats: Readonly<Record<"uuid", FormatCheck>>;
  /** One for all schemas: the first that one gets costs 13 ms, for the schema of schemas, and others 1 ms. */
  readonly ajv: () => Ajv;
}

const OF_BODIES = dialect(BODY_FORMATS);
const OF_QUERIES = dialect(QUERY_FORMATS);

function dialect(formats: Dialect["formats"]): Dialect {
  // Upstream's schemas carry keywords that have no effect where they stand, hence not strict.
  // They are ours, and tests look at them: to compile the schema of schemas as well would hold the event loop for
  // 15 ms on the first request, three times as long as without.
  // What is not optimized validates as fast, and is compiled in two thirds of the time.
  const code = { optimize: false };
  const options = { strict: false, strictNumbers: true, formats, validateSchema: false, code };
  return { formats, ajv: lazily(() => new Ajv(options)) };
}

type Validator<T> = (value: unknown) => T;

/** A function that returns the value, or throws what is wrong with it after `complaint`. */
function compile<T>(
  document: SchemaDocument,
  { formats, ajv: ajvOf }: Dialect,
  complaint: string,
): Validator<T> {
  const ajv = ajvOf();
  const isValid = ajv.compile<T>(document);
  return (value) => {
    if (isValid(value)) return value;
    // Of several, the last is the one around the others.
    const fault = isValid.errors?.at(-1)?.instancePath;
    const problem = explain(document, value, formats, fault) ?? ajv.errorsText(isValid.errors);
    throw badRequest(`${complaint}: ${problem}`);
  };
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
