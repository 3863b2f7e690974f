import type { Config } from "../config/config.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { Service } from "../operations/service.ts";
import type { Microversion } from "./microversions.ts";

/** What a handler is given: everything about one request that it may depend on. */
export interface ApiRequest {
  readonly method: string;
  /** Where the service is mounted, such as `/placement`; empty for the root. Links start with it. */
  readonly mountPoint: string;
  /** `scheme://host[:port]` as the client sees it; `Location` headers start with it. */
  readonly origin: string;
  /** Decoded path parameters by the name that the route gives them. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: QueryParameters;
  /** The media type of `Content-Type` without parameters, lower case; `""` without the header. */
  readonly contentType: string;
  /** The `Accept` header; JSON when the client sent none. */
  readonly accept: string;
  /** The tags of `If-None-Match`, with their quotes: answers that the client has. */
  readonly ifNoneMatch: readonly string[];
  /** The `Last-Event-ID` header, by which a client goes on with a stream of events. */
  readonly lastEventId: string | undefined;
  /** The `Idempotency-Key` header as it was sent. */
  readonly idempotencyKey: string | undefined;
  /**
   * The body, which is not taken in before somebody asks: whom policy refuses makes the server hold
   * nothing.
   */
  readBody(): Promise<Uint8Array>;
  readonly microversion: Microversion;
  readonly context: RequestContext;
  readonly service: Service;
  /** Has a function called if the request is answered with an error. It must be quick: the answer waits for it. */
  whenRefused(note: NoteRefusal): void;
  /** As it is now; what the service keeps from its start, it has itself. */
  readonly config: Config;
  /** Aborted when the client goes away before the answer is complete. */
  readonly signal: AbortSignal;
  /**
   * For an answer that goes on until somebody ends it: aborted when its client goes away, its token ends or
   * the service stops. The answer has to end then, with all that it has still to say.
   *
   * @throws HttpError 503 when too many are open
   */
  openStream(): AbortSignal;
  /** Gives what is asked of the database from here on the time of a request that has just begun. */
  renewDeadline(): void;
  /**
   * For a route that is public: whether the request comes with a token, and policy allows its user the action.
   * Nobody is refused.
   */
  recognize(action: string): Promise<boolean>;
  /**
   * Refuses the request with 403 unless policy allows the action, such as
   * `placement:resource_providers:list`. The target is the requester's own project and user unless
   * given.
   */
  authorize(action: string, target?: { readonly projectId: string | undefined }): void;
}

/** Takes note of the error that a request is answered with. */
export type NoteRefusal = (refused: {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** What it was before the handler's table of errors gave it a text. */
  readonly cause: unknown;
}) => void;

/** A query string, and the microversion that says how it is read. */
export type VersionedQuery = Pick<ApiRequest, "microversion" | "query">;

/** The query string: decoded pairs in order, with look-ups in the two ways that the API needs. */
export interface QueryParameters {
  readonly pairs: readonly (readonly [name: string, value: string])[];
  /** The last value of a name, as a dictionary made of the pairs has it. */
  get(name: string): string | undefined;
  /** All values of a name, in order. */
  getAll(name: string): readonly string[];
  has(name: string): boolean;
}
