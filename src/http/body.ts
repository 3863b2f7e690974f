import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { badRequest, HttpError } from "../api/http-error.ts";

const NO_BODY = new Uint8Array(0);

/**
 * What the headers must say about a body, whatever it is for.
 *
 * @throws HttpError 400
 */
export function checkBodyHeaders(headers: IncomingHttpHeaders): void {
  if (Number(headers["content-length"] ?? 0) > 0 && !headers["content-type"]) {
    throw badRequest("content-type header required when content-length > 0");
  }
}

/** The media type of the body without parameters, as it was sent; `""` when it was not. */
export function mediaTypeOf(headers: IncomingHttpHeaders): string {
  return headers["content-type"]?.split(";", 1)[0]?.trim() ?? "";
}

/** The bodies of requests, read up to a limit. */
export class BodyReader {
  readonly #maxSize: number;
  readonly #message: IncomingMessage;
  #fail: ((error: Error) => void) | undefined;

  /** `maxSize` is in bytes. */
  constructor(message: IncomingMessage, maxSize: number) {
    this.#message = message;
    this.#maxSize = maxSize;
  }

  /**
   * The whole body.
   *
   * @throws HttpError 413 when it is larger than the limit
   * @throws ClientGone when the client goes away before it is complete
   */
  read(): Uint8Array | Promise<Uint8Array> {
    const { headers } = this.#message;
    const length = headers["content-length"];
    if (Number(length ?? 0) > this.#maxSize) throw this.#tooLarge();
    const isEmpty = length === undefined ? !headers["transfer-encoding"] : length === "0";
    return isEmpty ? NO_BODY : this.#collect();
  }

  /** The parser has found that the rest of the body cannot be read. */
  break(error: Error): void {
    this.#fail?.(error);
  }

  /**
   * Takes in what the client still sends of a body that nobody wants, so that it gets round to
   * reading the answer; but not for ever.
   */
  discardRest(): void {
    const message = this.#message;
    if (message.complete || message.destroyed) return;
    let left = this.#maxSize;
    message.removeAllListeners("data");
    message.on("data", (chunk: Buffer) => {
      left -= chunk.byteLength;
      if (left < 0) message.socket.destroy();
    });
  }

  #collect(): Promise<Uint8Array> {
    const message = this.#message;
    const chunks: Buffer[] = [];
    let size = 0;
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      message.on("data", (chunk: Buffer) => {
        size += chunk.byteLength;
        if (size > this.#maxSize) reject(this.#tooLarge());
        else chunks.push(chunk);
      });
      message.on("end", () => {
        resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
      });
      message.on("close", () => {
        if (!message.complete) reject(new ClientGone());
      });
    });
  }

  #tooLarge(): HttpError {
    return new HttpError(413, `The limit is ${this.#maxSize} bytes.`);
  }
}

/** There is nobody left to answer. */
export class ClientGone extends Error {}
