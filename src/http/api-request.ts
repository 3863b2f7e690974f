import type { Config } from "../config/config.ts";
import type { Microversion } from "../api/microversions.ts";
import type { ApiRequest, NoteRefusal, QueryParameters } from "../api/request.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { Service } from "../operations/service.ts";
import { originOf } from "./answer.ts";
import { mediaTypeOf } from "./body.ts";
import type { Exchange } from "./exchange.ts";
import { parseQuery } from "../api/queries/query-string.ts";

interface Parts {
  readonly exchange: Exchange;
  readonly microversion: Microversion;
  readonly parameters: Readonly<Record<string, string>>;
  readonly readBody: () => Promise<Uint8Array>;
  readonly makeContext: () => RequestContext;
  readonly service: Service;
  readonly config: Config;
  readonly authorize: ApiRequest["authorize"];
  readonly recognize: ApiRequest["recognize"];
  readonly signal: () => AbortSignal;
  readonly openStream: () => AbortSignal;
}

/** A request as handlers see it. What few of them ask for is worked out when they do. */
export class HttpApiRequest implements ApiRequest {
  readonly method: string;
  readonly mountPoint: string;
  readonly accept: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly microversion: Microversion;
  readonly service: Service;
  readonly config: Config;
  readonly authorize: ApiRequest["authorize"];
  readonly recognize: ApiRequest["recognize"];
  readonly openStream: () => AbortSignal;
  readonly #exchange: Exchange;
  readonly #signal: () => AbortSignal;
  readonly #readBody: () => Promise<Uint8Array>;
  readonly #makeContext: () => RequestContext;
  #context: RequestContext;
  #query: QueryParameters | undefined;

  constructor(parts: Parts) {
    this.#exchange = parts.exchange;
    this.#signal = parts.signal;
    this.method = parts.exchange.head.method;
    this.mountPoint = parts.exchange.client.linkPrefix;
    this.accept = parts.exchange.accept;
    this.parameters = parts.parameters;
    this.#readBody = parts.readBody;
    this.microversion = parts.microversion;
    this.#makeContext = parts.makeContext;
    this.#context = parts.makeContext();
    this.service = parts.service;
    this.config = parts.config;
    this.authorize = parts.authorize;
    this.recognize = parts.recognize;
    this.openStream = parts.openStream;
  }

  get context(): RequestContext {
    return this.#context;
  }

  whenRefused(note: NoteRefusal): void {
    this.#exchange.noteRefusal = note;
  }

  async readBody(): Promise<Uint8Array> {
    const body = await this.#readBody();
    // How long the client took for it is not the database's fault.
    this.renewDeadline();
    return body;
  }

  renewDeadline(): void {
    this.#context = this.#makeContext();
  }

  get ifNoneMatch(): readonly string[] {
    const header = this.#exchange.head.headers["if-none-match"] ?? "";
    return header.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  }

  get lastEventId(): string | undefined {
    const header = this.#exchange.head.headers["last-event-id"];
    return typeof header === "string" && header !== "" ? header : undefined;
  }

  get idempotencyKey(): string | undefined {
    const header = this.#exchange.head.headers["idempotency-key"];
    return typeof header === "string" ? header : undefined;
  }

  get origin(): string {
    return originOf(this.#exchange);
  }

  get contentType(): string {
    return mediaTypeOf(this.#exchange.head.headers).toLowerCase();
  }

  /** Read late, because what is wrong with it is told only to those whom policy lets in. */
  get query(): QueryParameters {
    return (this.#query ??= parseQuery(this.#exchange.rawQuery));
  }

  get signal(): AbortSignal {
    return this.#signal();
  }
}
