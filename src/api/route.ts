import type { Feature } from "./microversions.ts";
import type { ApiRequest } from "./request.ts";
import type { ApiResponse } from "./response.ts";

export type Handler = (request: ApiRequest) => Promise<ApiResponse> | ApiResponse;

/** One method of one path. */
export interface Route {
  readonly handler: Handler;
  /** What the microversion must have for the method to exist. */
  readonly since?: Feature;
  /** The answer where it has not; 404 unless given. */
  readonly statusBefore?: 404 | 405;
  /** The media type that the body must have: anything else is a 415. */
  readonly consumes?: "application/json";
  /** The body may be about very many providers or consumers: a higher limit holds for it. */
  readonly takesMuch?: boolean;
  /** The media type that the answer has: an `Accept` that excludes it is a 406. */
  readonly produces?: "application/json";
}

/** A path template such as `/traits/{name}`, and its methods in the order that `Allow` lists. */
export type RouteTable = Readonly<Record<string, Readonly<Record<string, Route>>>>;
