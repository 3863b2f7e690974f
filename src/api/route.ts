import type { Feature } from "./microversions.ts";
import type { ApiRequest } from "./request.ts";
import type { ApiResponse } from "./response.ts";
import type { SchemaDocument } from "./validation/schema.ts";

export type Handler = (request: ApiRequest) => Promise<ApiResponse> | ApiResponse;

/**
 * How requests are read and errors are written. Placement's asks for the first microversion where a
 * request names none, and tells codes since 1.23; our own means the newest, and tells codes and facts
 * always.
 */
export type Dialect = "placement" | "stowage";

/** One method of one path. */
export interface Route {
  readonly handler: Handler;
  /** Placement's unless given; the same for all methods of a path. */
  readonly dialect?: Dialect;
  /** Answers without a token, and looks at one only by `recognize`; the same for all methods of a path. */
  readonly isPublic?: boolean;
  /** What the microversion must have for the method to exist. */
  readonly since?: Feature;
  /** The answer where it has not; 404 unless given. */
  readonly statusBefore?: 404 | 405;
  /** The media types of which the body must have one: anything else is a 415. */
  readonly consumes?: readonly string[];
  /** The body may be about very many providers or consumers: a higher limit holds for it. */
  readonly takesMuch?: boolean;
  /**
   * The media types of which the answer has one, the handler's choice: an `Accept` that excludes them
   * all is a 406.
   */
  readonly produces?: readonly string[];
  /** What it takes and gives; each method of our own tells. */
  readonly description?: RouteDescription;
}

/** What a method takes and gives, for clients and for those who write them. */
export interface RouteDescription {
  readonly summary: string;
  /** Of the query string, as an object of texts: anything else is a 400. */
  readonly query: SchemaDocument;
  /** Of the body, if it takes one. */
  readonly body?: SchemaDocument;
  /** What it answers, by status and media type; errors are alike everywhere. */
  readonly answers: Readonly<Record<number, Readonly<Record<string, SchemaDocument>>>>;
}

/** A path template such as `/traits/{name}`, and its methods in the order that `Allow` lists. */
export type RouteTable = Readonly<Record<string, Readonly<Record<string, Route>>>>;
