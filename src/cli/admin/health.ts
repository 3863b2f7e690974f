import { request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { HttpError } from "../../api/http-error.ts";
import { READINESS } from "../../api/stowage/health/schemas.ts";
import { parseJson } from "../../api/validation/parse-json.ts";
import { defineSchema } from "../../api/validation/schema.ts";
import type { Config } from "../../config/config.ts";
import { messageOf } from "../../config/operator-error.ts";
import type { Terminal } from "../terminal.ts";

export interface HealthOptions {
  /** Where to ask; where the configuration says that the service listens unless given. */
  readonly url?: URL;
  /** Asks only whether the process serves, and not whether it is ready. */
  readonly alive?: boolean;
}

/**
 * `health`: asks a running service whether it is well.
 *
 * @returns 0 when it is, 1 when it is not or does not answer
 */
export async function checkHealth(
  config: Config,
  { url, alive = false }: HealthOptions,
  environment: NodeJS.ProcessEnv,
  { output, problems }: Terminal,
): Promise<number> {
  const place = url === undefined ? placeOf(config) : placeAt(url);
  const token = environment["OS_TOKEN"];
  const headers = token === undefined ? {} : { "x-auth-token": token };
  const path = alive ? "/healthz" : "/readyz";
  try {
    const { status, body } = await get({ ...place, path: place.prefix + path, headers });
    if (status === 200) {
      output.write(`${alive ? "alive" : "ready"}\n`);
      return 0;
    }
    for (const line of describeChecks(body, status)) problems.write(`stowage: ${line}\n`);
  } catch (error) {
    problems.write(`stowage: no answer from ${place.name}: ${reasonOf(error)}\n`);
  }
  return 1;
}

interface Place extends RequestOptions {
  readonly name: string;
  readonly prefix: string;
  /** Of HTTPS: the certificate is for another name than that of this machine's loopback. */
  readonly rejectUnauthorized?: boolean;
}

/** Where the service of this configuration is reached from its own machine. */
function placeOf({ stowage }: Config): Place {
  const { host, port, unixSocket, tlsCertFile } = stowage;
  const isEncrypted = tlsCertFile !== undefined;
  const protocol = isEncrypted ? "https:" : "http:";
  const common = { protocol, prefix: "", ...(isEncrypted && { rejectUnauthorized: false }) };
  if (unixSocket !== undefined) return { ...common, socketPath: unixSocket, name: unixSocket };
  const address = EVERY_ADDRESS.get(host) ?? host;
  const shown = address.includes(":") ? `[${address}]` : address;
  return { ...common, host: address, port, name: `${protocol}//${shown}:${port}` };
}

/** To listen on all addresses is to be reached by loopback. */
const EVERY_ADDRESS: ReadonlyMap<string, string> = new Map([
  ["0.0.0.0", "127.0.0.1"],
  ["::", "::1"],
]);

function placeAt(url: URL): Place {
  return {
    protocol: url.protocol,
    host: url.hostname.replaceAll(/[[\]]/g, ""),
    ...(url.port !== "" && { port: url.port }),
    prefix: url.pathname.replace(/\/$/, ""),
    name: url.origin,
  };
}

/** Longer than the service takes to find out that it is not ready. */
const PATIENCE_MS = 6000;

/** An answer about health is short. */
const MAX_BYTES = 64 * 1024;

function get(options: RequestOptions): Promise<{ status: number; body: Uint8Array }> {
  const send = options.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const request = send({ ...options, agent: false, signal }, (response) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on("data", (part: Buffer) => {
        parts.push(part);
        length += part.byteLength;
        if (length > MAX_BYTES) request.destroy(new Error("the answer has no end"));
      });
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts) }),
      );
    });
    request.on("error", reject);
    request.end();
  });
}

function describeChecks(body: Uint8Array, status: number): string[] {
  const failing = Object.entries(checksIn(body) ?? {}).filter(([, { is_ok: isOk }]) => !isOk);
  if (failing.length === 0) return [`the answer has status ${status}`];
  return failing.map(([name, { detail }]) => `not ready: ${name}${detail ? `: ${detail}` : ""}`);
}

type Checks = Readonly<Record<string, { readonly is_ok: boolean; readonly detail?: string }>>;

const ANSWER = defineSchema<{ readonly checks: Checks }>(READINESS);

/** Whatever answers there may be another program. */
function checksIn(body: Uint8Array): Checks | undefined {
  try {
    return ANSWER.validate(parseJson(body)).checks;
  } catch (error) {
    if (error instanceof HttpError) return undefined;
    throw error;
  }
}

function reasonOf(error: unknown): string {
  const isLate = error instanceof Error && /^(Timeout|Abort)Error$/.test(error.name);
  return isLate ? `nothing within ${PATIENCE_MS / 1000} s` : messageOf(error);
}
