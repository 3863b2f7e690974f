import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { RouteTable } from "../api/route.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import { createKeystoneAuthenticator } from "../auth/keystone/keystone-authenticator.ts";
import { authenticateWithoutKeystone } from "../auth/noauth.ts";
import type { Config } from "../config/config.ts";
import { Metrics } from "../observability/metrics.ts";
import type { Logger } from "../observability/logger.ts";
import type { Service } from "../operations/service.ts";
import type { Bytes } from "../api/response.ts";
import { isStreamed, lengthOf, partsOf, type Answer } from "./answer.ts";
import { BodyReader, ClientGone } from "./body.ts";
import { BodyBudget, bodyLimitsOf, type BodyLimits } from "./body-limits.ts";
import { connectionOf } from "./connection.ts";
import { Exchange, type RequestHead } from "./exchange.ts";
import {
  configuredPlace,
  ListeningSockets,
  type ListeningAddress,
  type ListeningPlace,
} from "./listen.ts";
import { describeFlaw, hasForeignCoding } from "./message-flaw.ts";
import { Pipeline, type Policy, type RequestSource } from "./pipeline.ts";
import { viewThroughProxy, type ClientView } from "./proxy-headers.ts";
import { readHead, writeAnswer } from "./raw-message.ts";
import { loggedRequest } from "./request-log.ts";
import { mountPointOf, requestTarget } from "./request-target.ts";
import { Router } from "./router.ts";
import { OpenStreams } from "./streams.ts";

/** What the server serves, and where. */
interface ServerParts {
  readonly config: Config;
  readonly service: Service;
  readonly routes: RouteTable;
  readonly policy: Policy;
  readonly logger: Logger;
  /** By the configuration's `[api] auth_strategy` unless given. */
  readonly authenticate?: Authenticator;
  readonly metrics?: Metrics;
  /** Where the configuration says unless given. */
  readonly places?: readonly ListeningPlace[];
  /** Throws where an address must not be listened on. */
  readonly checkAddress?: (address: ListeningAddress) => void;
}

/** What may change while the server runs. */
type ReloadableParts = Pick<ServerParts, "config" | "policy">;

export interface RunningServer {
  readonly addresses: readonly ListeningAddress[];
  /** Such as `http://127.0.0.1:8778`. */
  readonly url: string;
  readonly metrics: Metrics;
  /**
   * Serves by another configuration from the next request on; where and how long it listens stays.
   *
   * @throws ConfigError when it cannot be used; then nothing is changed
   */
  reload(parts: ReloadableParts): void;
  /** Finishes the requests in flight, within `[stowage] shutdown_timeout`, and stops. */
  stop(): Promise<void>;
}

/** Starts to serve; rejects when the address cannot be listened on. */
export async function startServer(parts: ServerParts): Promise<RunningServer> {
  const { config, logger, places = [configuredPlace(config)], checkAddress = () => {} } = parts;
  const metrics = parts.metrics ?? new Metrics();
  const router = new Router(parts.routes);
  const streams = new OpenStreams();
  const makePipeline = (fresh: ReloadableParts) => {
    const authenticate = parts.authenticate ?? authenticatorFor(fresh.config, logger);
    return new Pipeline({ ...parts, ...fresh, router, authenticate, metrics, streams });
  };
  const listener = new Listener(makePipeline(parts), config, logger);
  metrics.watch("stowage_http_requests_in_flight", {}, () => listener.inFlight);
  metrics.watch("stowage_http_streams", {}, () => streams.size);
  const sockets = await ListeningSockets.open(places, config, logger, {
    attach: (server) => listener.attach(server),
    check: checkAddress,
  });
  return {
    addresses: sockets.addresses,
    url: sockets.url,
    metrics,
    reload(fresh) {
      const pipeline = makePipeline(fresh);
      sockets.reloadCertificate(fresh.config.stowage);
      listener.reload(pipeline, fresh.config);
    },
    async stop() {
      listener.isStopping = true;
      streams.endAll();
      const outcome = await sockets.close(listener.config.stowage.shutdownTimeout * 1000);
      if (outcome === "cut off") logger.warn("Requests were cut off: they took too long to finish");
    },
  };
}

function authenticatorFor({ api, keystoneAuthtoken }: Config, logger: Logger): Authenticator {
  return api.authStrategy === "noauth2"
    ? authenticateWithoutKeystone
    : createKeystoneAuthenticator(keystoneAuthtoken, logger);
}

/** Between `node:http` and the pipeline. */
class Listener {
  /** Every answer closes its connection. */
  isStopping = false;
  /** Requests whose answer is not complete. */
  inFlight = 0;
  readonly #logger: Logger;
  #pipeline: Pipeline;
  #config: Config;
  #mountPoint: string;
  #limits: BodyLimits;
  readonly #requestTimeout: number;
  readonly #budget: BodyBudget;

  constructor(pipeline: Pipeline, config: Config, logger: Logger) {
    this.#logger = logger;
    this.#pipeline = pipeline;
    this.#config = config;
    this.#mountPoint = mountPointOf(config.stowage.pathPrefix);
    this.#requestTimeout = config.stowage.requestTimeout;
    this.#limits = bodyLimitsOf(config, this.#requestTimeout);
    this.#budget = new BodyBudget(config.stowage.maxBodiesSize);
  }

  get config(): Config {
    return this.#config;
  }

  reload(pipeline: Pipeline, config: Config): void {
    this.#pipeline = pipeline;
    this.#config = config;
    this.#mountPoint = mountPointOf(config.stowage.pathPrefix);
    this.#limits = bodyLimitsOf(config, this.#requestTimeout);
    this.#budget.maxBytes = config.stowage.maxBodiesSize;
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
    const { socket, method = "", url = "", headers } = message;
    const connection = connectionOf(socket);
    connection.inFlight++;
    this.inFlight++;
    const body = new BodyReader(message, this.#limits, this.#budget);
    connection.body = body;
    response.once("close", () => {
      connection.inFlight--;
      this.inFlight--;
      body.release();
    });
    const head = this.#headOf(method, url, headers);
    const exchange = new Exchange(head, this.#viewOf(headers, socket), () => body.flaw);
    const source = new MessageSource(body, response);
    const answer = await this.#pipeline.answer(exchange, source);
    if (!answer || response.destroyed) return;
    if (this.isStopping || connection.isBroken || isDoubtful(message)) {
      response.shouldKeepAlive = false;
    }
    body.discardRest();
    await this.#write(answer, response, exchange);
  }

  async #write(answer: Answer, response: ServerResponse, exchange: Exchange) {
    const { status, headers, body, onSent } = answer;
    response.writeHead(status, [...headers]);
    if (body === undefined || !isStreamed(body)) {
      // A response that broke off may still be read by the socket: its memory is not used again.
      if (body && onSent) {
        response.once("close", () => response.writableFinished && partsOf(body).forEach(onSent));
      }
      end(response, body);
      limitSending(response, body === undefined ? 0 : lengthOf(body));
      return;
    }
    try {
      for await (const bytes of body) {
        await send(response, bytes);
        if (onSent) partsOf(bytes).forEach(onSent);
      }
      response.end();
    } catch (error) {
      // The status is sent: all that can be done is to cut the body off.
      response.destroy();
      if (error instanceof ClientGone) return;
      this.#logger.error({ ...loggedRequest(exchange), err: error }, "An answer broke off");
    }
  }

  /**
   * A message that the parser cannot read. It is refused in its turn: with a request in flight on
   * the same connection, that one is answered first (or told that its body is broken, which the parser
   * may find before anybody has begun to read it), and then the connection is closed. What can be read
   * of the head decides how the refusal looks. Whatever else is found about a connection that is broken
   * already, such as that its time is over, ends it.
   */
  async #serveBroken(error: ParserError, socket: Socket): Promise<void> {
    const connection = connectionOf(socket);
    const { isBroken, inFlight, body } = connection;
    const isAnswered = inFlight === 0 && body !== undefined && !body.isComplete;
    if (!isUnreadable(error) || !socket.writable || isBroken || isAnswered) {
      socket.destroy();
      return;
    }
    connection.isBroken = true;
    if (inFlight > 0) {
      if (body?.isComplete === false) body.break(describeFlaw(error.code, body.headers));
      return;
    }
    const { method, target, headers } = readHead(error.rawPacket);
    const flaw = describeFlaw(error.code, headers);
    const head = this.#headOf(method, target, headers);
    const exchange = new Exchange(head, this.#viewOf(headers, socket), () => flaw);
    const answer = await this.#pipeline.answer(exchange, NO_SOURCE);
    if (answer) socket.end(writeAnswer(answer));
    // A client that goes on sending must not keep the connection.
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }

  #headOf(method: string, target: string, headers: IncomingHttpHeaders): RequestHead {
    return { method, target: requestTarget(target, this.#mountPoint), headers };
  }

  #viewOf(headers: RequestHead["headers"], socket: Socket): ClientView {
    const direct = {
      scheme: "encrypted" in socket ? "https" : "http",
      host: headers.host ?? localHostOf(socket),
      remoteAddress: socket.remoteAddress ?? "-",
      mountPoint: this.#mountPoint,
      linkPrefix: this.#mountPoint,
    };
    return this.#config.osloMiddleware.enableProxyHeadersParsing
      ? viewThroughProxy(direct, headers)
      : direct;
  }
}

/**
 * Where a body ends may be read differently by whoever is in front of us: HTTP/1.0 knows no chunks,
 * and we know no other coding. What follows on the connection is not to be trusted.
 */
function isDoubtful({ httpVersion, headers }: IncomingMessage): boolean {
  const isChunked = headers["transfer-encoding"] !== undefined;
  return isChunked && (httpVersion === "1.0" || hasForeignCoding(headers));
}

/** A Unix socket has neither address nor port. */
function localHostOf({ localAddress, localPort }: Socket): string {
  return localAddress === undefined ? "localhost" : `${localAddress}:${localPort}`;
}

/** Up to here, copying a body costs less than a second buffer for the system to write. */
const SHORT_BODY_BYTES = 4096;

/** A short text leaves in one piece with the head: 14.3 instead of 15.7 µs of CPU an answer. */
function end(response: ServerResponse, body: Bytes | undefined): void {
  if (body === undefined) response.end();
  else if (!(body instanceof Uint8Array)) {
    response.cork();
    for (const part of body) response.write(part);
    response.end();
  } else if (body.byteLength > SHORT_BODY_BYTES) response.end(body);
  else {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    response.end(bytes.toString("latin1"), "latin1");
  }
}

/**
 * Resolves once the system has taken a part of a body: what a client does not read waits there, and
 * the next part is not even made.
 *
 * @throws ClientGone
 */
function send(response: ServerResponse, bytes: Bytes): Promise<void> {
  const parts = partsOf(bytes);
  const last = parts.at(-1);
  if (last === undefined) return Promise.resolve();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => response.destroy(), sendingLimitMs(lengthOf(bytes)));
  const onClose = () => {
    clearTimeout(timer);
    reject(new ClientGone());
  };
  if (response.destroyed) onClose();
  response.once("close", onClose);
  response.cork();
  for (const part of parts.slice(0, -1)) response.write(part);
  response.write(last, (error) => {
    response.off("close", onClose);
    clearTimeout(timer);
    if (error) onClose();
    else resolve();
  });
  response.uncork();
  return promise;
}

/** A client that takes in less than 16 KB a second for so long is not going to: it holds memory. */
const MIN_SENDING_MS = 60_000;
const BYTES_PER_MS = 16;

function sendingLimitMs(bytes: number): number {
  return MIN_SENDING_MS + bytes / BYTES_PER_MS;
}

/** Ends the connection of a client that does not take its answer; most have taken it by now. */
function limitSending(response: ServerResponse, bytes: number): void {
  if (!response.socket?.writableLength) return;
  const timer = setTimeout(() => response.destroy(), sendingLimitMs(bytes));
  response.once("close", () => clearTimeout(timer));
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

class MessageSource implements RequestSource {
  readonly #body: BodyReader;
  readonly #response: ServerResponse;
  #controller: AbortController | undefined;

  constructor(body: BodyReader, response: ServerResponse) {
    this.#body = body;
    this.#response = response;
  }

  readBody(maxSize: number): Promise<Uint8Array> {
    return this.#body.read(maxSize);
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

  cut(): void {
    this.#response.destroy();
  }

  get closed(): AbortSignal {
    const controller = new AbortController();
    if (this.#response.destroyed) controller.abort();
    else this.#response.once("close", () => controller.abort());
    return controller.signal;
  }
}

/** Of a message that could not be read: there is no rest. */
const NO_SOURCE: RequestSource = {
  readBody: () => Promise.resolve(new Uint8Array(0)),
  signal: new AbortController().signal,
  closed: AbortSignal.abort(),
  cut() {},
};
