import { messageOf } from "../config/operator-error.ts";
import { METHODS } from "node:http";
import { bodySizesOf } from "../api/body-sizes.ts";
import { HttpError } from "../api/http-error.ts";
import {
  formatMicroversion,
  minorOf,
  supports,
  type Feature,
  type Microversion,
} from "../api/microversions.ts";
import type { Route } from "../api/route.ts";
import { NO_CREDENTIALS, type Credentials } from "../auth/credentials.ts";
import type { PolicyDecision, PolicyTarget } from "../auth/policy/enforcer.ts";
import { Unauthenticated, type Authenticator } from "../auth/authenticator.ts";
import type { Config } from "../config/config.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Logger } from "../observability/logger.ts";
import type { Service } from "../operations/service.ts";
import { acceptableOffers } from "./accept.ts";
import { finish, type Answer } from "./answer.ts";
import { HttpApiRequest } from "./api-request.ts";
import { checkBodyHeaders, ClientGone, mediaTypeOf } from "./body.ts";
import { renderChallenge } from "./challenge.ts";
import { withCors } from "./cors.ts";
import { renderError } from "./error-body.ts";
import type { Exchange } from "./exchange.ts";
import { findProblem } from "./foreseen-errors.ts";
import { checkHost } from "./loopback.ts";
import { negotiate } from "./microversion.ts";
import { decodePercent } from "../api/queries/percent-decoding.ts";
import { logAnswer, loggedRequest } from "./request-log.ts";
import type { RouteMatch, Router } from "./router.ts";
import type { OpenStreams } from "./streams.ts";

/** What every request needs. */
interface PipelineParts {
  readonly config: Config;
  readonly service: Service;
  readonly router: Router;
  readonly authenticate: Authenticator;
  readonly policy: Policy;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly streams: OpenStreams;
}

/** Decides who may do what; the enforcer of policy rules is one. */
export interface Policy {
  /** Without a target, about what belongs to the requester. */
  authorize(
    action: string,
    target: PolicyTarget | undefined,
    credentials: Credentials,
  ): PolicyDecision;
}

/** Where the rest of a request comes from once its head is known. */
export interface RequestSource {
  readBody(maxSize: number): Promise<Uint8Array>;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** Aborted when the answer is at its end, complete or not. */
  readonly closed: AbortSignal;
  /** Ends the connection, whatever is still to be sent. */
  cut(): void;
}

/** The way of every request from its head to its answer. */
export class Pipeline {
  readonly #parts: PipelineParts;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  /** Never rejects; `undefined` when the client has gone away and nobody waits for an answer. */
  async answer(exchange: Exchange, source: RequestSource): Promise<Answer | undefined> {
    const { config, logger, metrics } = this.#parts;
    let answer: Answer;
    try {
      answer = await this.#process(exchange, source);
    } catch (error) {
      if (error instanceof ClientGone || source.signal.aborted) return undefined;
      answer = this.#explain(error, exchange);
    }
    if (config.cors.allowedOrigin.length > 0) answer = withCors(answer, exchange, config.cors);
    const tookMs = performance.now() - exchange.startedAtMs;
    count(answer, exchange, tookMs, metrics);
    logAnswer(logger, exchange, answer, { tookMs, slowSeconds: config.stowage.slowRequestTime });
    return answer;
  }

  /**
   * The checks, in the order of upstream, on which clients and tests rely. Who asks comes before
   * everything: a stranger learns nothing but that. The version is next, because it decides how all
   * later errors read. Then what is wrong with the message as such, then where it goes to, then
   * whether that takes and makes what the client sends and wants. Policy is the handler's
   * first act, because only the handler knows what is to be done; query, body and what they name are
   * read after it, when the handler asks for them: nobody makes the server hold a body that would not
   * have got this far.
   */
  async #process(exchange: Exchange, source: RequestSource): Promise<Answer> {
    const { head } = exchange;
    if (this.#isForThisMachine) checkHost(head.headers.host);
    const match = this.#findPath(exchange);
    // In any case there is a wait: the parser goes on meanwhile, and may find a flaw in what came along.
    await (isPublic(match) ? undefined : this.#authenticate(exchange));
    const microversion = negotiate(head.headers["openstack-api-version"], exchange.dialect);
    exchange.microversion = microversion;
    if (exchange.flaw) throw exchange.flaw;
    checkBodyHeaders(head.headers);
    if (!match) throw new HttpError(404, "");
    const { parameters } = match;
    const route = findRoute(match, exchange, microversion);
    checkMediaTypes(route, exchange);
    const { small, largest } = bodySizesOf(this.#parts.config);
    const readBody = () => source.readBody(route.takesMuch ? largest : small);
    const request = this.#makeRequest({ exchange, microversion, parameters, readBody, source });
    return finish(await route.handler(request), exchange);
  }

  /** Nobody is asked for a password, so nobody else is to get here. */
  get #isForThisMachine(): boolean {
    const { api, stowage } = this.#parts.config;
    return api.authStrategy === "noauth2" && !stowage.allowInsecureNoauth;
  }

  async #authenticate(exchange: Exchange): Promise<void> {
    const { head, client, rawPath } = exchange;
    const { mountPoint, remoteAddress: peer } = client;
    const target = { method: head.method, path: mountPoint + rawPath, peer };
    exchange.credentials = await this.#parts.authenticate(head.headers, target);
  }

  /** Looked up first, and told of in its turn: the path decides how its request is read. */
  #findPath(exchange: Exchange): RouteMatch | undefined {
    const { router } = this.#parts;
    const path = decodePercent(exchange.rawPath);
    if (path === undefined) return undefined;
    const match = router.find(path);
    exchange.route = match?.template;
    exchange.dialect = router.dialectOf(path);
    return match;
  }

  #makeRequest({ source, ...parts }: RequestFacts): HttpApiRequest {
    return new HttpApiRequest({
      ...parts,
      makeContext: () => this.#makeContext(parts.exchange),
      service: this.#parts.service,
      config: this.#parts.config,
      authorize: (action, target) => this.#authorize(parts.exchange, action, target),
      recognize: (action) => this.#recognize(parts.exchange, action),
      signal: () => source.signal,
      openStream: () => this.#openStream(parts.exchange, source),
    });
  }

  /** Whoever cannot be asked about a token in time says nothing about it. */
  async #recognize(exchange: Exchange, action: string): Promise<boolean> {
    if (exchange.head.headers["x-auth-token"] === undefined) return false;
    const late = Promise.withResolvers<false>();
    const timer = setTimeout(() => late.resolve(false), RECOGNIZE_WITHIN_MS);
    const known = this.#authenticate(exchange).then(
      () => true,
      () => false,
    );
    const isKnown = await Promise.race([known, late.promise]);
    clearTimeout(timer);
    const { credentials } = exchange;
    if (!isKnown || !credentials) return false;
    return this.#parts.policy.authorize(action, undefined, credentials).isAllowed;
  }

  #openStream(exchange: Exchange, source: RequestSource): AbortSignal {
    return this.#parts.streams.open({
      client: source.closed,
      cut: () => source.cut(),
      expiresAtMs: exchange.credentials?.expiresAtMs,
      recheck: () => this.#authenticate(exchange),
    });
  }

  #makeContext(exchange: Exchange): RequestContext {
    const { requestId, globalRequestId, credentials, effort } = exchange;
    const { config, service } = this.#parts;
    return {
      requestId,
      globalRequestId,
      cause: causeOf(exchange),
      userId: credentials?.userId,
      projectId: credentials?.projectId,
      roles: credentials?.roles ?? [],
      claimAttempts: config.placement.allocationConflictRetryCount,
      effort,
      // That of the start: the sessions with the database were given their share of it.
      deadlineMs: performance.now() + service.config.stowage.databaseTimeout * 1000,
    };
  }

  #authorize(exchange: Exchange, action: string, target: PolicyTarget | undefined): void {
    const credentials = exchange.credentials ?? NO_CREDENTIALS;
    const decision = this.#parts.policy.authorize(action, target, credentials);
    if (decision.isAllowed) return;
    this.#parts.logger.debug(loggedRequest(exchange), `${action} is refused: ${decision.detail}`);
    throw new HttpError(403, decision.message);
  }

  /** Why is for the log; whoever is refused learns nothing but that. */
  #refuse(error: Unauthenticated, exchange: Exchange): Answer {
    this.#parts.logger.info(loggedRequest(exchange), `Unauthenticated: ${error.message}`);
    return error.challenge === undefined
      ? renderError(new HttpError(401, ""), exchange)
      : renderChallenge(error.challenge, exchange);
  }

  /** An error as an answer; one that nobody foresaw is logged, and the client gets no internals. */
  #explain(error: unknown, exchange: Exchange): Answer {
    if (error instanceof Unauthenticated) return this.#refuse(error, exchange);
    const problem = findProblem(error);
    if (problem) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      exchange.noteRefusal?.({ ...problem, cause });
      return renderError(problem, exchange);
    }
    this.#parts.metrics.increment("stowage_unexpected_errors_total", {});
    const message = messageOf(error);
    const err = error instanceof Error ? error : new Error(message);
    this.#parts.logger.error({ ...loggedRequest(exchange), err }, `Unexpected error: ${message}`);
    return renderError(new HttpError(500, ""), exchange);
  }
}

interface RequestFacts {
  readonly exchange: Exchange;
  readonly microversion: Microversion;
  readonly parameters: Readonly<Record<string, string>>;
  readonly readBody: () => Promise<Uint8Array>;
  readonly source: RequestSource;
}

/** Probes wait for five seconds at most. */
const RECOGNIZE_WITHIN_MS = 4000;

/** Health checks and version discovery come without a token. */
function isPublic(match: RouteMatch | undefined): boolean {
  return match !== undefined && match.methods.values().some((route) => route.isPublic);
}

/** The method of the path, if the version that the request speaks has it. */
function findRoute(
  { methods, allow }: RouteMatch,
  exchange: Exchange,
  microversion: Microversion,
): Route {
  const { head } = exchange;
  const route = methods.get(head.method);
  if (!route) {
    const detail = "The method specified is not allowed for this resource.";
    throw new HttpError(405, detail, { headers: { allow } });
  }
  const { since } = route;
  if (since && !supports({ microversion }, since)) {
    throw new HttpError(route.statusBefore ?? 404, cameLater(since, exchange, microversion));
  }
  return route;
}

/** Upstream says nothing, and whoever names no version wonders why a path of the manual is not there. */
function cameLater(since: Feature, { head, route = "" }: Exchange, spoken: Microversion): string {
  const said =
    head.headers["openstack-api-version"] === undefined ? "names none, which means" : "speaks";
  return (
    `${head.method} ${route} came with microversion 1.${minorOf(since)}; ` +
    `this request ${said} ${formatMicroversion(spoken)}.`
  );
}

function checkMediaTypes({ consumes, produces }: Route, { head, accept }: Exchange): void {
  if (consumes) {
    const type = mediaTypeOf(head.headers);
    if (!consumes.includes(type.toLowerCase())) {
      const detail = `The media type ${type || "None"} is not supported, use ${consumes.join(", ")}`;
      throw new HttpError(415, detail);
    }
  }
  if (!produces || !head.headers.accept || produces.includes(accept)) return;
  if (acceptableOffers(head.headers.accept, produces).length === 0) {
    throw new HttpError(406, `Only ${produces.join(", ")} is provided`);
  }
}

/** Stands for all paths that lead nowhere: clients can make up any number of them. */
const NO_ROUTE = "none";

/** What the parser takes for a method; of a message that it cannot read, it may be anything. */
const METHODS_KNOWN: ReadonlySet<string> = new Set(METHODS);
const OTHER = "other";

function count({ status }: Answer, exchange: Exchange, tookMs: number, metrics: Metrics): void {
  const { head, route = NO_ROUTE } = exchange;
  const method = METHODS_KNOWN.has(head.method) ? head.method : OTHER;
  metrics.increment("stowage_http_requests_total", { method, route, status: String(status) });
  metrics.observe("stowage_http_request_duration_seconds", { method, route }, tookMs / 1000);
}

/** Method and path, without what the path names. */
function causeOf({ head, route }: Exchange): string | undefined {
  return route && `${head.method} ${route.replace(/\/\{\w+\}/g, "")}`;
}
