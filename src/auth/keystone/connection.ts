import { messageOf } from "../../config/operator-error.ts";
import { readFileSync } from "node:fs";
import {
  Agent,
  request as requestPlain,
  type ClientRequest,
  type IncomingMessage,
} from "node:http";
import { Agent as TlsAgent, request as requestTls } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { ConfigError } from "../../config/config-error.ts";
import { systemCertificates } from "../../config/system-certificates.ts";
import { maskUserInfo } from "../../config/user-info.ts";
import { AuthenticationUnavailable } from "../authenticator.ts";
import type { KeystoneOptions } from "./login-request.ts";

interface KeystoneRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: object;
}

export interface KeystoneReply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** The body as JSON; `undefined` when it is not. */
  readonly body: unknown;
}

/** Without `http_connect_timeout`. Proxies and clients wait longer, so they see our 503. */
const USUAL_TIMEOUT_MS = 30_000;

/** As keystoneauth waits: doubled with each further attempt. */
const FIRST_RETRY_AFTER_MS = 500;

/** A flood of unknown tokens must not become a flood of connections to Keystone. */
const MAX_CONNECTIONS = 64;

/** A catalog of a large cloud is some ten kilobytes. */
const MAX_REPLY_BYTES = 4 * 1024 * 1024;

/** Sends requests to Keystone, each within its time, over connections that are kept. */
export class KeystoneConnection {
  readonly #timeoutMs: number;
  readonly #retries: number;
  readonly #agent: Agent;
  readonly #tlsAgent: TlsAgent;

  /** @throws ConfigError when a file of certificates or keys cannot be read */
  constructor(options: KeystoneOptions) {
    this.#timeoutMs = options.httpConnectTimeout
      ? options.httpConnectTimeout * 1000
      : USUAL_TIMEOUT_MS;
    this.#retries = Math.max(0, options.httpRequestMaxRetries);
    const pool = { keepAlive: true, maxSockets: MAX_CONNECTIONS };
    this.#agent = new Agent(pool);
    this.#tlsAgent = new TlsAgent({ ...pool, ...tlsSettings(options) });
  }

  /** @throws AuthenticationUnavailable when there is no answer */
  async send(request: KeystoneRequest): Promise<KeystoneReply> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#sendOverKept(request);
      } catch (error) {
        if (attempt >= this.#retries || !isConnectionFailure(error)) throw noAnswer(request, error);
        await sleep(FIRST_RETRY_AFTER_MS * 2 ** attempt);
      }
    }
  }

  /** A kept connection may turn out to be closed at the other end: that is no sign of trouble. */
  async #sendOverKept(request: KeystoneRequest): Promise<KeystoneReply> {
    try {
      return await this.#sendOnce(request);
    } catch (error) {
      if (error instanceof ConnectionWasClosed) return this.#sendOnce(request);
      throw error;
    }
  }

  #sendOnce({ method, url, headers, body }: KeystoneRequest): Promise<KeystoneReply> {
    const isTls = url.startsWith("https:");
    const payload = body && JSON.stringify(body);
    const settings = {
      method,
      headers: {
        accept: "application/json",
        "user-agent": "stowage",
        ...(payload !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      agent: isTls ? this.#tlsAgent : this.#agent,
      // From the wait for a connection to the last byte: a server that trickles is away, too.
      signal: AbortSignal.timeout(this.#timeoutMs),
    };
    return new Promise((resolve, reject) => {
      const receive = (response: IncomingMessage): void => {
        readReply(response).then(resolve, reject);
      };
      const request: ClientRequest = isTls
        ? requestTls(url, settings, receive)
        : requestPlain(url, settings, receive);
      request.on("error", (error: NodeJS.ErrnoException) => {
        const isStale = request.reusedSocket && error.code === "ECONNRESET";
        reject(isStale ? new ConnectionWasClosed(error) : error);
      });
      request.end(payload);
    });
  }
}

class ConnectionWasClosed extends Error {
  readonly code = "ECONNRESET";

  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

async function readReply(response: IncomingMessage): Promise<KeystoneReply> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_REPLY_BYTES) throw new Error("the answer is too long");
    chunks.push(chunk);
  }
  const { statusCode = 0, headers } = response;
  return { status: statusCode, headers, body: parse(Buffer.concat(chunks).toString("utf8")) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const CONNECTION_FAILURES: ReadonlySet<unknown> = new Set([
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
]);

/** Keystone may be restarting. A server that is too slow is not asked again: that costs too long. */
function isConnectionFailure(error: unknown): boolean {
  return error instanceof Error && "code" in error && CONNECTION_FAILURES.has(error.code);
}

function noAnswer({ url }: KeystoneRequest, error: unknown): AuthenticationUnavailable {
  return new AuthenticationUnavailable(
    `no answer from ${maskUserInfo(url)}: ${maskUserInfo(reasonOf(error))}`,
    {
      cause: error,
    },
  );
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "AbortError") return "it took too long";
  // Several addresses were tried, in vain; the error that sums them up has no text of its own.
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return error.message;
}

function tlsSettings(options: KeystoneOptions): object {
  const { cafile, certfile, keyfile, insecure } = options;
  return {
    rejectUnauthorized: !insecure,
    ca: cafile ? readOption("cafile", cafile) : systemCertificates(),
    ...(certfile && {
      cert: readOption("certfile", certfile),
      // One file may hold both.
      key: keyfile ? readOption("keyfile", keyfile) : readOption("certfile", certfile),
    }),
  };
}

function readOption(option: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const reason = messageOf(error);
    throw new ConfigError(`[keystone_authtoken] ${option}: ${path} cannot be read: ${reason}`);
  }
}
