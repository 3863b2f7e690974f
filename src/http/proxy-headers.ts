import type { IncomingHttpHeaders } from "node:http";

/** How the client reached the service. */
export interface ClientView {
  readonly scheme: string;
  /** Host, with the port where the client gave one. */
  readonly host: string;
  readonly remoteAddress: string;
  /** The path under which the API is mounted, by the configuration, such as `/placement`; or nothing. */
  readonly mountPoint: string;
  /** What the paths in links begin with: the mount point, unless a proxy says where clients find it. */
  readonly linkPrefix: string;
}

/**
 * What the proxy in front says about the client, by oslo.middleware's HTTPProxyToWSGI: `Forwarded`
 * (RFC 7239) if there is one, else `X-Forwarded-*`. Only to be asked when the configuration trusts
 * the proxy: anyone can send these headers.
 */
export function viewThroughProxy(direct: ClientView, headers: IncomingHttpHeaders): ClientView {
  const forwarded = one(headers["forwarded"]);
  const seen = forwarded
    ? firstProxy(forwarded)
    : {
        proto: one(headers["x-forwarded-proto"]),
        host: one(headers["x-forwarded-host"]),
        for: one(headers["x-forwarded-for"]),
      };
  return {
    scheme: seen.proto || direct.scheme,
    host: seen.host || direct.host,
    remoteAddress: seen.for || direct.remoteAddress,
    mountPoint: direct.mountPoint,
    linkPrefix: prefixIn(headers) ?? direct.linkPrefix,
  };
}

/**
 * A path of plain segments. Anything else would make links that lead elsewhere (`//host`), or that
 * are longer than all the rest of the answer.
 */
const PREFIX = /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~%!$&'()*+;=:@-]+)*$/;
const MAX_PREFIX = 255;

/** `undefined` where the proxy says nothing, or nothing that looks like a path. */
function prefixIn(headers: IncomingHttpHeaders): string | undefined {
  const prefix = one(headers["x-forwarded-prefix"]);
  if (prefix === undefined || prefix.length > MAX_PREFIX) return undefined;
  const path = prefix.endsWith("/") ? prefix.slice(0, -1) : prefix;
  return PREFIX.test(path) ? path : undefined;
}

interface Forwarded {
  readonly proto: string | undefined;
  readonly host: string | undefined;
  readonly for: string | undefined;
}

/** The proxy nearest to the client is the first one. */
function firstProxy(header: string): Forwarded {
  const fields = new Map<string, string>();
  for (const field of header.split(";")) {
    const [name = "", value = ""] = field.split("=", 2);
    fields.set(name.trim().toLowerCase(), value.trim().replace(/^"|"$/g, ""));
  }
  return { proto: fields.get("proto"), host: fields.get("host"), for: fields.get("for") };
}

/** The first of several values. */
function one(header: string | string[] | undefined): string | undefined {
  return header === undefined ? undefined : String(header).split(",", 1)[0]?.trim();
}
