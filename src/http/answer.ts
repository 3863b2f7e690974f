import type { ApiResponse, Body, Bytes } from "../api/response.ts";
import { supports } from "../api/microversions.ts";
import type { Exchange } from "./exchange.ts";
import { versionHeader } from "./microversion.ts";

/** What goes back to the client. */
export interface Answer {
  readonly status: number;
  /** Names and values in turn, as `node:http` takes them fastest. */
  readonly headers: readonly string[];
  readonly body?: Body;
  /** Called with all bytes of the body, once they are sent and their memory may be used again. */
  readonly onSent?: (bytes: Uint8Array) => unknown;
}

/** A handler's response with the headers that follow from the request. */
export function finish(response: ApiResponse, exchange: Exchange): Answer {
  const { status, body, contentType, location, lastModified, position, etag, isLive, onSent } =
    response;
  const headers = body
    ? ["content-type", contentType ?? "application/json", ...lengthHeader(body)]
    : emptyBodyHeaders(status);
  if (etag !== undefined) headers.push("etag", etag, "cache-control", "no-cache");
  if (isLive) headers.push("cache-control", "no-store", "x-accel-buffering", "no");
  if (location !== undefined) headers.push("location", absolute(location, exchange));
  if (response.isReplayed === true) headers.push("idempotency-replayed", "true");
  if (position !== undefined) headers.push("stowage-position", position);
  if (lastModified && exchange.microversion && supports(exchange as Versioned, "cacheHeaders")) {
    headers.push("last-modified", lastModified.toUTCString(), "cache-control", "no-cache");
  }
  headers.push(...commonHeaders(exchange));
  return { status, headers, ...(body && { body }), ...(onSent && { onSent }) };
}

type Versioned = Exchange & { readonly microversion: NonNullable<Exchange["microversion"]> };

/** Of every answer, errors included. */
export function commonHeaders({ microversion, requestId }: Exchange): string[] {
  const headers = ["vary", "openstack-api-version", "x-openstack-request-id", requestId];
  if (microversion) headers.push("openstack-api-version", versionHeader(microversion));
  return headers;
}

/** `scheme://host[:port]` as the client sees it, without a port that goes without saying. */
export function originOf({ client: { scheme, host } }: Exchange): string {
  const usualPort = scheme === "https" ? ":443" : ":80";
  return `${scheme}://${host.endsWith(usualPort) ? host.slice(0, -usualPort.length) : host}`;
}

function absolute(location: string, exchange: Exchange): string {
  return originOf(exchange) + exchange.client.linkPrefix + location;
}

/** A streamed body has no length beforehand: it is sent in chunks. */
function lengthHeader(body: Body): string[] {
  return isStreamed(body) ? [] : ["content-length", String(lengthOf(body))];
}

export function isStreamed(body: Body): body is AsyncIterable<Bytes> {
  return Symbol.asyncIterator in body;
}

export function partsOf(bytes: Bytes): readonly Uint8Array[] {
  return bytes instanceof Uint8Array ? [bytes] : bytes;
}

export function lengthOf(bytes: Bytes): number {
  let length = 0;
  for (const part of partsOf(bytes)) length += part.byteLength;
  return length;
}

function emptyBodyHeaders(status: number): string[] {
  return status === 204 || status === 304 ? [] : ["content-length", "0"];
}
