import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";

/** Instead of an answer; what it leaves undone stays undone. */
export type Misbehaviour = (request: IncomingMessage, response: ServerResponse) => void;

/** What `GET /v3/auth/tokens` tells about a token; the rest is made up. */
export interface ActedToken {
  readonly expiresAtMs?: number;
  readonly roles?: readonly string[];
  readonly rest?: object;
}

/** Plays Keystone, as well or as badly as a test wants it: a real one cannot be made to misbehave. */
export class ActingKeystone {
  readonly url: string;
  /** The tokens that it knows, besides those that it gave to the service. */
  readonly tokens = new Map<string, ActedToken>();
  /** Of the service's own tokens. */
  lifetimeSeconds = 3600;
  /** Of the service's own tokens; with it comes the endpoint at which tokens are validated. */
  catalog: readonly object[] = [];
  /** The service's own tokens that count. */
  readonly sessions = new Set<string>();
  /** How often the service logged in. */
  logins = 0;
  /** The validations so far: what was asked for, and the headers. */
  readonly validations: Pick<IncomingMessage, "url" | "headers">[] = [];
  /** What happens instead of the next answers, one after the other. */
  readonly nextLogins: Misbehaviour[] = [];
  readonly nextValidations: Misbehaviour[] = [];
  readonly #server;

  private constructor(server: ReturnType<typeof createServer>, scheme: string) {
    this.#server = server;
    this.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/v3`;
    server.on("request", (request, response) => {
      if (request.method === "POST") this.#logIn(request, response);
      else this.#validate(request, response);
    });
  }

  static async start(tls?: ServerOptions): Promise<ActingKeystone> {
    const server = tls ? createTlsServer(tls) : createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    return new ActingKeystone(server, tls ? "https" : "http");
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await once(this.#server.close(), "close");
  }

  #logIn(request: IncomingMessage, response: ServerResponse): void {
    const misbehaviour = this.nextLogins.shift();
    this.logins++;
    if (misbehaviour) {
      misbehaviour(request, response);
      return;
    }
    const session = `session-${this.logins}`;
    this.sessions.add(session);
    const expiresAtMs = Date.now() + this.lifetimeSeconds * 1000;
    response.writeHead(201, { "x-subject-token": session });
    response.end(describe({ expiresAtMs, rest: { catalog: this.catalog } }));
  }

  #validate(request: IncomingMessage, response: ServerResponse): void {
    this.validations.push({ url: request.url, headers: request.headers });
    const misbehaviour = this.nextValidations.shift();
    if (misbehaviour) {
      misbehaviour(request, response);
      return;
    }
    if (!this.sessions.has(String(request.headers["x-auth-token"]))) {
      response.writeHead(401).end('{"error": {"code": 401}}');
      return;
    }
    const token = this.tokens.get(String(request.headers["x-subject-token"]));
    const isExpired = (token?.expiresAtMs ?? Infinity) <= Date.now();
    if (!token || (isExpired && !request.url?.includes("allow_expired=1"))) {
      response.writeHead(404).end('{"error": {"code": 404}}');
      return;
    }
    response.writeHead(200).end(describe(token));
  }
}

function describe({ expiresAtMs = Date.now() + 3_600_000, roles = [], rest }: ActedToken): string {
  return JSON.stringify({
    token: {
      user: { id: "a-user", domain: { id: "a-domain" } },
      project: { id: "a-project", domain: { id: "a-domain" } },
      roles: roles.map((name) => ({ name })),
      expires_at: new Date(expiresAtMs).toISOString(),
      ...rest,
    },
  });
}
