import type { Config } from "../config/config.ts";
import type { Answer } from "./answer.ts";
import type { Exchange } from "./exchange.ts";

type CorsOptions = Config["cors"];

/** Headers that any page may send. */
const SIMPLE_HEADERS = [
  "accept",
  "accept-language",
  "content-type",
  "cache-control",
  "content-language",
  "expires",
  "last-modified",
  "pragma",
];

/**
 * The answer with what a browser needs to let pages of other origins see it, by oslo.middleware's
 * CORS. A preflight is 200 for every origin; one that is not allowed just gets no permission.
 */
export function withCors(answer: Answer, exchange: Exchange, options: CorsOptions): Answer {
  if (exchange.head.method === "OPTIONS") return preflight(answer, exchange, options);
  const origin = allowedOrigin(exchange, options);
  if (origin === undefined) return answer;
  const headers = answer.headers.map((value, at) =>
    at % 2 === 1 && answer.headers[at - 1] === "vary" ? `${value},Origin` : value,
  );
  headers.push(...originHeaders(origin, options));
  if (options.exposeHeaders.length > 0) {
    headers.push("access-control-expose-headers", options.exposeHeaders.join(","));
  }
  return { ...answer, headers };
}

function preflight(answer: Answer, exchange: Exchange, options: CorsOptions): Answer {
  const base: Answer =
    answer.status >= 200 && answer.status < 300
      ? answer
      : {
          status: 200,
          headers: ["content-length", "0", "x-openstack-request-id", exchange.requestId],
        };
  const permission = grant(exchange, options);
  return permission ? { ...base, headers: [...base.headers, ...permission] } : base;
}

/** The headers that permit what a preflight asks for; `undefined` when it is not permitted. */
function grant(exchange: Exchange, options: CorsOptions): string[] | undefined {
  const origin = allowedOrigin(exchange, options);
  const method = exchange.head.headers["access-control-request-method"];
  if (origin === undefined || method === undefined) return undefined;
  if (!options.allowMethods.includes(method)) return undefined;
  const asked = (exchange.head.headers["access-control-request-headers"] ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const allowed = new Set(
    [...options.allowHeaders, ...SIMPLE_HEADERS].map((name) => name.toLowerCase()),
  );
  if (!asked.every((name) => allowed.has(name.toLowerCase()))) return undefined;
  return [
    "vary",
    "Origin",
    ...originHeaders(origin, options),
    ...(options.maxAge > 0 ? ["access-control-max-age", String(options.maxAge)] : []),
    "access-control-allow-methods",
    method,
    ...(asked.length > 0 ? ["access-control-allow-headers", asked.join(",")] : []),
  ];
}

function allowedOrigin(exchange: Exchange, { allowedOrigin: allowed }: CorsOptions) {
  const { origin } = exchange.head.headers;
  if (origin === undefined) return undefined;
  if (allowed.includes(origin)) return origin;
  return allowed.includes("*") ? "*" : undefined;
}

function originHeaders(origin: string, { allowCredentials }: CorsOptions): string[] {
  return [
    "access-control-allow-origin",
    origin,
    ...(allowCredentials ? ["access-control-allow-credentials", "true"] : []),
  ];
}
