import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";

/** What the service answered. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON, taken for what the test expects it to be. */
  json<Body = unknown>(): Body;
}

export interface SendOptions {
  /** Sent as JSON, unless it is text or bytes already. */
  readonly body?: unknown;
  /** `1.39` unless given; `undefined` sends no header, which means 1.0. */
  readonly version?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Talks to one service over connections that are kept, as an administrator who may reshape, too,
 * unless told otherwise.
 */
export class Client {
  readonly url: string;
  /** Told of every answer. */
  onReply: ((method: string, path: string, reply: Reply) => void) | undefined;
  readonly #agent: Agent;

  /** @param connections how many requests are under way at most; the others wait */
  constructor(url: string, connections = 256) {
    this.url = url;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  get(path: string, options?: SendOptions): Promise<Reply> {
    return this.send("GET", path, options);
  }

  post(path: string, body: unknown, options?: SendOptions): Promise<Reply> {
    return this.send("POST", path, { ...options, body });
  }

  put(path: string, body: unknown, options?: SendOptions): Promise<Reply> {
    return this.send("PUT", path, { ...options, body });
  }

  delete(path: string, options?: SendOptions): Promise<Reply> {
    return this.send("DELETE", path, options);
  }

  /** Rejects when the connection breaks before the answer is complete. */
  send(method: string, path: string, options: SendOptions = {}): Promise<Reply> {
    const payload = encode(options.body);
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        this.url + path,
        { method, agent: this.#agent, headers: headersOf(options, payload) },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () => {
            const text = Buffer.concat(chunks).toString("utf8");
            const reply: Reply = {
              status: response.statusCode ?? 0,
              headers: response.headers,
              text,
              json: () => JSON.parse(text),
            };
            this.onReply?.(method, path, reply);
            resolve(reply);
          });
        },
      );
      request.on("error", reject);
      request.end(payload);
    });
  }

  /** Sends, and fails unless the answer has a status below 300: for what a test takes for granted. */
  async expectSuccess(method: string, path: string, options?: SendOptions): Promise<Reply> {
    const reply = await this.send(method, path, options);
    if (reply.status < 300) return reply;
    throw new Error(`${method} ${path} was answered ${reply.status}: ${reply.text}`);
  }

  close(): void {
    this.#agent.destroy();
  }
}

function encode(body: unknown): Buffer | undefined {
  if (body === undefined) return undefined;
  if (body instanceof Uint8Array) return Buffer.from(body);
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
}

function headersOf(options: SendOptions, payload: Buffer | undefined): Record<string, string> {
  const version = "version" in options ? options.version : "1.39";
  return {
    "x-auth-token": "admin",
    "x-roles": "admin,service",
    ...(version !== undefined && { "openstack-api-version": `placement ${version}` }),
    ...(payload && {
      "content-type": "application/json",
      "content-length": String(payload.byteLength),
    }),
    ...options.headers,
  };
}
