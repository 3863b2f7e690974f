/** One after the other. Several are sent together, so that nobody has to copy them into one. */
export type Bytes = Uint8Array | readonly Uint8Array[];

/** What comes in parts is made as it is sent. */
export type Body = Bytes | AsyncIterable<Bytes>;

/**
 * What a handler answers with. Headers that depend on the request alone (request id, microversion,
 * vary) are added by the server.
 */
export interface ApiResponse {
  readonly status: number;
  readonly body?: Body;
  /** `application/json` for a body, none without, unless given. */
  readonly contentType?: string;
  /** Path below the mount point, such as `/traits/CUSTOM_A`; the server makes it absolute. */
  readonly location?: string;
  /** How far the change feed was read before: sent as `Stowage-Position`. */
  readonly position?: string;
  /** Parts of the body mean something as they come: no proxy may keep them or collect them first. */
  readonly isLive?: true;
  /** What was answered to the same request before: sent as `Idempotency-Replayed`. */
  readonly isReplayed?: boolean;
  /** With its quotes; sent as `ETag`. */
  readonly etag?: string;
  /** Called with all bytes of the body, once they are sent and their memory may be used again. */
  readonly onSent?: (bytes: Uint8Array) => unknown;
  /** Sent as `Last-Modified`, together with `Cache-Control: no-cache`, since 1.15. */
  readonly lastModified?: Date;
}

const ENCODER = new TextEncoder();

export function json(
  status: number,
  value: unknown,
  more: Omit<ApiResponse, "status" | "body"> = {},
): ApiResponse {
  return { status, body: ENCODER.encode(JSON.stringify(value)), ...more };
}

export function empty(
  status: number,
  more: Omit<ApiResponse, "status" | "body"> = {},
): ApiResponse {
  return { status, ...more };
}
