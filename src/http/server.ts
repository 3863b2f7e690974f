import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { pipeline as stream } from "node:stream/promises";
import type { RouteTable } from "../api/route.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import { createKeystoneAuthenticator } from "../auth/keystone/keystone-authenticator.ts";
import { authenticateWithoutKeystone } from "../auth/noauth.ts";
import type { Config } from "../config/config.ts";
import { Counters } from "../observability/counters.ts";
import type { Logger } from "../observability/logger.ts";
import type { Service } from "../operations/service.ts";
import type { Answer } from "./answer.ts";
import { BodyReader } from "./body.ts";
import { connectionOf } from "./connection.ts";
import { Exchange, type RequestHead } from "./exchange.ts";
import { describeFlaw } from "./message-flaw.ts";
import { Pipeline, type Policy, type RequestSource } from "./pipeline.ts";
import { viewThroughProxy, type ClientView } from "./proxy-headers.ts";
import { readHead, writeAnswer } from "./raw-message.ts";
import { loggedRequest } from "./request-log.ts";
import { Router } from "./router.ts";
import { shutDown } from "./shutdown.ts";

/** What the server serves, and where. */
export interface ServerParts {
  readonly config: Config;
  readonly service: Service;
  readonly routes: RouteTable;
  readonly policy: Policy;
  readonly logger: Logger;
  /** By the configuration's `[api] auth_strategy` unless given. */
  readonly authenticate?: Authenticator;
  readonly counters?: Counters;
  /** Where the configuration says unless given. */
  readonly host?: string;
  /** Where the configuration says unless given; 0 lets the system choose one. */
  readonly port?: number;
}

export interface RunningServer {
  readonly address: AddressInfo;
  /** Such as `http://127.0.0.1:8778`. */
  readonly url: string;
  readonly counters: Counters;
  /** Finishes the requests in flight, within `[stowage] shutdown_timeout`, and stops. */
  stop(): Promise<void>;
}

/** Starts to serve; rejects when the address cannot be listened on. */
export async function startServer(parts: ServerParts): Promise<RunningServer> {
  const { config, logger } = parts;
  const { host = config.stowage.host, port = config.stowage.port } = parts;
  const counters = parts.counters ?? new Counters();
  const authenticate = parts.authenticate ?? authenticatorFor(config, logger);
  const router = new Router(parts.routes);
  const listener = new Listener(
    new Pipeline({ ...parts, router, authenticate, counters }),
    config,
    logger,
  );
  const server = makeServer(config);
  listener.attach(server);
  await listen(server, host, port);
  const address = server.address() as AddressInfo;
  const scheme = config.stowage.tlsCertFile === undefined ? "http" : "https";
  const hostPart = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return {
    address,
    url: `${scheme}://${hostPart}:${address.port}`,
    counters,
    async stop() {
      listener.isStopping = true;
      const outcome = await shutDown(server, config.stowage.shutdownTimeout * 1000);
      if (outcome === "cut off") logger.warn("Requests were cut off: they took too long to finish");
    },
  };
}

function authenticatorFor({ api, keystoneAuthtoken }: Config, logger: Logger): Authenticator {
  return api.authStrategy === "noauth2"
    ? authenticateWithoutKeystone
    : createKeystoneAuthenticator(keystoneAuthtoken, logger);
}

/** Long request targets are normal: a request for candidates may name many groups. */
const MAX_HEAD_BYTES = 64 * 1024;

/** Longer than the pools of clients and proxies keep a connection, so that they close it first. */
const IDLE_CONNECTION_MS = 75_000;

function makeServer({ stowage }: Config): Server {
  const requestTimeout = stowage.requestTimeout * 1000;
  const options = {
    maxHeaderSize: MAX_HEAD_BYTES,
    keepAliveTimeout: IDLE_CONNECTION_MS,
    requestTimeout,
    headersTimeout: requestTimeout,
    connectionsCheckingInterval: Math.min(5000, requestTimeout / 4 || 5000),
    // node:http would answer by itself, without an error body.
    requireHostHeader: false,
  };
  if (stowage.tlsCertFile === undefined) return createServer(options);
  return createTlsServer({
    ...options,
    cert: readFileSync(stowage.tlsCertFile),
    key: readFileSync(stowage.tlsKeyFile ?? stowage.tlsCertFile),
  });
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Between `node:http` and the pipeline. */
class Listener {
  /** Every answer closes its connection. */
  isStopping = false;
  readonly #pipeline: Pipeline;
  readonly #config: Config;
  readonly #logger: Logger;

  constructor(pipeline: Pipeline, config: Config, logger: Logger) {
    this.#pipeline = pipeline;
    this.#config = config;
    this.#logger = logger;
  }

  attach(server: Server): void {
    const serve = (message: IncomingMessage, response: ServerResponse) => {
      this.#serve(message, response).catch((error: unknown) => {
        this.#logger.error({ err: error }, "An answer could not be written");
        response.destroy();
      });
    };
    server.on("request", serve);
    // An unknown expectation is no reason to refuse: the request is answered as it is.
    server.on("checkExpectation", serve);
    server.on("clientError", (error: ParserError, socket: Socket) => {
      void this.#serveBroken(error, socket);
    });
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = message;
    const connection = connectionOf(socket);
    connection.inFlight++;
    response.once("close", () => connection.inFlight--);
    const exchange = new Exchange(headOf(message), this.#viewOf(message.headers, socket));
    const body = new BodyReader(message, this.#config.stowage.maxBodySize);
    connection.body = body;
    const source = new MessageSource(body, response);
    const answer = await this.#pipeline.answer(exchange, source);
    if (!answer || response.destroyed) return;
    if (this.isStopping || connection.isBroken) response.shouldKeepAlive = false;
    body.discardRest();
    await this.#write(answer, response, exchange);
  }

  async #write({ status, headers, body }: Answer, response: ServerResponse, exchange: Exchange) {
    response.writeHead(status, [...headers]);
    if (body === undefined || body instanceof Uint8Array) {
      end(response, body);
      return;
    }
    try {
      await stream(body, response);
    } catch (error) {
      // The status is sent: all that can be done is to cut the body off, which the stream has done.
      if (isGone(error)) return;
      this.#logger.error({ ...loggedRequest(exchange), err: error }, "An answer broke off");
    }
  }

  /**
   * A message that the parser cannot read. It is refused in its turn: with a request in flight on
   * the same connection, that one is answered first (or told that its body is broken), and then the
   * connection is closed. What can be read of the head decides how the refusal looks.
   */
  async #serveBroken(error: ParserError, socket: Socket): Promise<void> {
    if (!isUnreadable(error) || !socket.writable) {
      socket.destroy();
      return;
    }
    const connection = connectionOf(socket);
    if (connection.isBroken) return;
    connection.isBroken = true;
    const flaw = describeFlaw(error.code);
    if (connection.inFlight > 0) {
      connection.body?.break(flaw);
      return;
    }
    const head = readHead(error.rawPacket);
    const exchange = new Exchange(head, this.#viewOf(head.headers, socket), flaw);
    const answer = await this.#pipeline.answer(exchange, NO_SOURCE);
    if (answer) socket.end(writeAnswer(answer));
    // A client that goes on sending must not keep the connection.
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }

  #viewOf(headers: RequestHead["headers"], socket: Socket): ClientView {
    const direct = {
      scheme: "encrypted" in socket ? "https" : "http",
      host: headers.host ?? `${socket.localAddress ?? "localhost"}:${socket.localPort ?? 0}`,
      remoteAddress: socket.remoteAddress ?? "-",
      mountPoint: "",
    };
    return this.#config.osloMiddleware.enableProxyHeadersParsing
      ? viewThroughProxy(direct, headers)
      : direct;
  }
}

/** Up to here, copying a body costs less than a second buffer for the system to write. */
const SHORT_BODY_BYTES = 4096;

/** A short text leaves in one piece with the head: 14.3 instead of 15.7 µs of CPU an answer. */
function end(response: ServerResponse, body: Uint8Array | undefined): void {
  if (body === undefined || body.byteLength > SHORT_BODY_BYTES) response.end(body);
  else {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    response.end(bytes.toString("latin1"), "latin1");
  }
}

/** An error of the parser or of the socket beneath it. */
interface ParserError extends Error {
  readonly code?: string;
  readonly rawPacket?: Buffer;
}

/** Whether the message is at fault, and not the connection. */
function isUnreadable({ code }: ParserError): boolean {
  return code?.startsWith("HPE_") === true || code === "ERR_HTTP_REQUEST_TIMEOUT";
}

const LINGER_MS = 1000;

function headOf({ method = "", url = "", headers }: IncomingMessage): RequestHead {
  return { method, target: url, headers };
}

class MessageSource implements RequestSource {
  readonly #body: BodyReader;
  readonly #response: ServerResponse;
  #controller: AbortController | undefined;

  constructor(body: BodyReader, response: ServerResponse) {
    this.#body = body;
    this.#response = response;
  }

  readBody(): Uint8Array | Promise<Uint8Array> {
    return this.#body.read();
  }

  /** Made when it is asked for: most requests never do. */
  get signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal;
    const controller = new AbortController();
    this.#controller = controller;
    const abort = () => {
      if (!this.#response.writableFinished) controller.abort();
    };
    if (this.#response.destroyed) abort();
    else this.#response.once("close", abort);
    return controller.signal;
  }
}

/** Of a message that could not be read: there is no rest. */
const NO_SOURCE: RequestSource = {
  readBody: () => new Uint8Array(0),
  signal: new AbortController().signal,
};

function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE";
}
