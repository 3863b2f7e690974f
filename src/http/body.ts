import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { badRequest, HttpError } from "../api/http-error.ts";
import { type BodyBudget, type BodyLimits, WEIGHT_OF_LARGE } from "./body-limits.ts";
import { hasForeignCoding, MessageFlaw, UNKNOWN_CODING } from "./message-flaw.ts";

const NO_BODY = new Uint8Array(0);

/**
 * What the headers must say about a body, whatever it is for.
 *
 * @throws HttpError 400
 * @throws MessageFlaw 501
 */
export function checkBodyHeaders(headers: IncomingHttpHeaders): void {
  if (hasForeignCoding(headers)) throw new MessageFlaw(501, UNKNOWN_CODING);
  if (Number(headers["content-length"] ?? 0) > 0 && !headers["content-type"]) {
    throw badRequest("content-type header required when content-length > 0");
  }
}

/** The media type of the body without parameters, as it was sent; `""` when it was not. */
export function mediaTypeOf(headers: IncomingHttpHeaders): string {
  return headers["content-type"]?.split(";", 1)[0]?.trim() ?? "";
}

/** The body of one request, read when somebody wants it, up to a limit. */
export class BodyReader {
  readonly #message: IncomingMessage;
  readonly #limits: BodyLimits;
  readonly #budget: BodyBudget;
  #fail: ((error: Error) => void) | undefined;
  #flaw: MessageFlaw | undefined;
  /** What it has of the budget. */
  #held = 0;

  constructor(message: IncomingMessage, limits: BodyLimits, budget: BodyBudget) {
    this.#message = message;
    this.#limits = limits;
    this.#budget = budget;
  }

  /** Why the rest of the body cannot be read, if the parser or the clock has found so. */
  get flaw(): MessageFlaw | undefined {
    return this.#flaw;
  }

  get headers(): IncomingHttpHeaders {
    return this.#message.headers;
  }

  get isComplete(): boolean {
    return this.#message.complete;
  }

  /**
   * The whole body.
   *
   * @throws HttpError 413 when it is larger than `maxSize` bytes, 503 when there are too many others
   * @throws MessageFlaw when it cannot be read, or comes too slowly
   * @throws ClientGone when the client goes away before it is complete
   */
  async read(maxSize: number): Promise<Uint8Array> {
    if (this.#flaw) throw this.#flaw;
    const { headers, destroyed } = this.#message;
    const length = headers["content-length"];
    if (Number(length ?? 0) > maxSize) throw tooLarge(maxSize);
    const isEmpty = length === undefined ? !headers["transfer-encoding"] : length === "0";
    if (isEmpty) return NO_BODY;
    if (destroyed) throw new ClientGone();
    return this.#collect(maxSize);
  }

  /** The parser has found that the rest of the body cannot be read; whoever reads it is told. */
  break(flaw: MessageFlaw): void {
    this.#flaw = flaw;
    this.#fail?.(flaw);
  }

  /**
   * Takes in what the client still sends of a body that nobody wants, so that it gets round to
   * reading the answer; but not for ever.
   */
  discardRest(): void {
    const message = this.#message;
    if (message.complete || message.destroyed) return;
    const { largest, windowMs, bytesPerWindow } = this.#limits;
    let left = largest;
    let leftBefore = left;
    const watch = setInterval(() => {
      if (leftBefore - left < bytesPerWindow) message.socket.destroy();
      leftBefore = left;
    }, windowMs);
    for (const event of ["end", "close"]) message.once(event, () => clearInterval(watch));
    message.removeAllListeners("data");
    message.on("data", (chunk: Buffer) => {
      left -= chunk.byteLength;
      if (left < 0) message.socket.destroy();
      else letOthersTakeTurns(message);
    });
  }

  /** The request is over, and with it the memory that the body took. */
  release(): void {
    this.#budget.give(this.#held);
    this.#held = 0;
  }

  #collect(maxSize: number): Promise<Uint8Array> {
    const message = this.#message;
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    let collected: Collector | undefined = collector(
      Number(message.headers["content-length"] ?? 0),
    );
    let size = 0;
    let sizeBefore = 0;
    const { windowMs, bytesPerWindow } = this.#limits;
    const watch = setInterval(() => {
      if (size - sizeBefore < bytesPerWindow) this.break(new MessageFlaw(408, ""));
      sizeBefore = size;
    }, windowMs);
    this.#fail = (error) => {
      clearInterval(watch);
      // What has come so far is not kept while the rest is discarded.
      collected = undefined;
      reject(error);
    };
    message.on("data", (chunk: Buffer) => {
      size += chunk.byteLength;
      if (size > maxSize) this.#fail?.(tooLarge(maxSize));
      else if (!this.#take(chunk.byteLength)) this.#fail?.(tooMany());
      else collected?.add(chunk);
    });
    message.on("end", () => {
      clearInterval(watch);
      if (collected) resolve(collected.whole());
      // The connection would keep it until the request is answered.
      collected = undefined;
    });
    message.on("close", () => {
      if (!message.complete) this.#fail?.(new ClientGone());
    });
    return promise;
  }

  #take(bytes: number): boolean {
    const isLarge = this.#held + bytes > this.#limits.small;
    const weight = isLarge ? bytes * WEIGHT_OF_LARGE : bytes;
    if (!this.#budget.take(weight, this.#held, isLarge)) return false;
    this.#held += weight;
    return true;
  }
}

/** Of one body comes a part or two in each round of the event loop, not all that is there. */
function letOthersTakeTurns(message: IncomingMessage): void {
  message.pause();
  setImmediate(() => message.resume());
}

/** Puts the parts of a body together. */
interface Collector {
  readonly add: (chunk: Buffer) => void;
  readonly whole: () => Buffer;
}

/** A large body whose length is known gets its place at once: parts and whole would be twice as much. */
function collector(length: number): Collector {
  if (length <= ONE_CHUNK) {
    const chunks: Buffer[] = [];
    return {
      add: (chunk) => void chunks.push(chunk),
      whole: () => (chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)),
    };
  }
  // The system gives memory when it is written to, not when it is asked for.
  const body = Buffer.allocUnsafeSlow(length);
  let size = 0;
  return { add: (chunk) => void (size += chunk.copy(body, size)), whole: () => body };
}

/** What the system reads at once. */
const ONE_CHUNK = 64 * 1024;

function tooLarge(maxSize: number): HttpError {
  return new HttpError(413, `The limit is ${maxSize} bytes.`);
}

function tooMany(): HttpError {
  const detail = "Too many large requests are under way.";
  return new HttpError(503, detail, { headers: { "retry-after": "1" } });
}

/** There is nobody left to answer. */
export class ClientGone extends Error {}
