import { parseJson } from "../../api/validation/parse-json.ts";
import { messageOf, OperatorError } from "../../config/operator-error.ts";
import { printable } from "../../observability/logger.ts";
import type { Send } from "./local-service.ts";

/** Which service is asked, and as whom. */
export interface ServiceAddress {
  /** Of the service, with the path below which it is mounted. */
  readonly url: string | undefined;
  readonly token: string | undefined;
}

/** What answers in the stead of a service that is reached by HTTP. */
interface Stand {
  /** As problems name it. */
  readonly name: string;
  readonly send: Send;
}

type Method = "GET" | "POST" | "PUT" | "DELETE";

/** What a question may say beyond its path. */
interface Question {
  /** Of the query string; what is undefined is left out. */
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as lines, in the place of a body. */
  readonly lines?: Uint8Array<ArrayBuffer>;
  readonly accept?: string;
  /** Of errors that are answers, too. */
  readonly mayBe?: readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
  /** When to give up; after a minute unless given. */
  readonly signal?: AbortSignal;
}

/** A service that does not answer for so long does not answer. */
const TIMEOUT_MS = 60_000;
/** Many times the longest answer that is not a stream: whatever is there, it cannot fill the memory. */
const MAX_LENGTH = 256 * 1024 * 1024;

/** The service did not answer, or not what was asked; it ends the command with 1. */
export class CannotAsk extends OperatorError {
  /** Whether it may go better another time. */
  readonly isPassing: boolean;

  constructor(message: string, isPassing = false) {
    super(message);
    this.isPassing = isPassing;
  }
}

/** Asks a running service, for the commands that are questions to it. */
export class ServiceClient {
  readonly #url: string;
  readonly #token: string | undefined;
  readonly #name: string;
  readonly #send: Send;
  readonly #isHere: boolean;

  /** @throws CannotAsk for a place that is none */
  constructor({ url, token, name, send = fetch }: ServiceAddress & Partial<Stand>) {
    if (url === undefined) {
      throw new CannotAsk("say where the service is: --url or OS_PLACEMENT_ENDPOINT_OVERRIDE");
    }
    if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
      throw new CannotAsk(`${url} is no URL of HTTP or HTTPS`);
    }
    this.#url = url.replace(/(?<!\/)\/+$/, "");
    this.#token = token;
    this.#name = name ?? this.#url;
    this.#send = send;
    this.#isHere = send !== fetch;
  }

  /**
   * The whole answer, as it came.
   *
   * @throws CannotAsk also for an answer that is an error
   */
  async ask(method: Method, path: string, question: Question = {}): Promise<string> {
    const response = await this.open(method, path, question);
    try {
      return await textOf(response);
    } catch (error) {
      throw this.#cannot(error);
    }
  }

  /**
   * An answer that is read as it comes.
   *
   * @throws CannotAsk also for an answer that is an error
   */
  async open(
    method: Method,
    path: string,
    {
      query = {},
      body,
      lines,
      accept,
      mayBe = [],
      headers = {},
      signal = AbortSignal.timeout(TIMEOUT_MS),
    }: Question = {},
  ): Promise<Response> {
    const parameters = Object.entries(query).filter(([, value]) => value !== undefined);
    const search = new URLSearchParams(parameters as [string, string][]).toString();
    let response: Response;
    let problem: string;
    try {
      response = await this.#send(this.#url + path + (search === "" ? "" : `?${search}`), {
        method,
        headers: {
          ...headers,
          ...(body !== undefined && { "content-type": "application/json" }),
          ...(lines && { "content-type": "application/x-ndjson" }),
          ...(accept !== undefined && { accept }),
          ...(this.#token !== undefined && { "x-auth-token": this.#token }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(lines && { body: lines }),
        // A token is for this place, not for the one that it points to.
        redirect: "manual",
        signal,
      });
      if (response.ok || mayBe.includes(response.status)) return response;
      problem = await textOf(response);
    } catch (error) {
      throw this.#cannot(error);
    }
    if (response.status === 401 && this.#token === undefined) {
      throw new CannotAsk(`${this.#name} wants a token: set OS_TOKEN`);
    }
    const detail = printable(detailOf(problem));
    throw new CannotAsk(
      this.#isHere ? detail : `${this.#name} answered ${response.status}: ${detail}`,
      response.status >= 500,
    );
  }

  /**
   * An answer as the object that it should be.
   *
   * @param isExpected whether it has what the command reads
   * @throws CannotAsk when something else answers there
   */
  parse<Answer extends object>(
    text: string,
    isExpected: (answer: Partial<Answer>) => boolean,
  ): Answer {
    try {
      const answer = parseJson(Buffer.from(text)) as Partial<Answer> | null;
      if (typeof answer === "object" && answer !== null && isExpected(answer)) {
        return answer as Answer;
      }
    } catch {
      // Told below.
    }
    throw new CannotAsk(`what answers at ${this.#name} is no service that can tell`);
  }

  #cannot(error: unknown): CannotAsk {
    return new CannotAsk(`${this.#name} cannot be asked: ${reasonOf(error)}`, true);
  }
}

async function textOf({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  if (body === null) return "";
  for await (const part of body as AsyncIterable<Uint8Array>) {
    length += part.byteLength;
    if (length > MAX_LENGTH) throw new Error("the answer has no end");
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function reasonOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined
    ? messageOf(error.cause)
    : messageOf(error);
}

function detailOf(text: string): string {
  try {
    const { errors } = parseJson(Buffer.from(text)) as { errors: readonly { detail: unknown }[] };
    return String(errors[0]!.detail);
  } catch {
    return text.slice(0, 200);
  }
}
