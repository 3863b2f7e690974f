import { ALL_ROUTES } from "../../api/all-routes.ts";
import { NO_CREDENTIALS, type Credentials } from "../../auth/credentials.ts";
import type { Bytes } from "../../api/response.ts";
import { isStreamed, partsOf, type Answer } from "../../http/answer.ts";
import { Exchange } from "../../http/exchange.ts";
import { Pipeline } from "../../http/pipeline.ts";
import { Router } from "../../http/router.ts";
import { OpenStreams } from "../../http/streams.ts";
import { createLogger } from "../../observability/logger.ts";
import { Metrics } from "../../observability/metrics.ts";
import type { Service } from "../../operations/service.ts";
import type { Terminal } from "../terminal.ts";

/** Whoever may read the database may ask anything about it. */
const OPERATOR: Credentials = { ...NO_CREDENTIALS, userId: "operator", roles: ["admin"] };

const CLIENT = {
  scheme: "http",
  host: "localhost",
  remoteAddress: "-",
  mountPoint: "",
  linkPrefix: "",
};

/** As `fetch` has it, as far as it is needed here. */
export type Send = (url: string, init: RequestInit) => Promise<Response>;

/** Answers in this process what a running service answers, by the same way from the head to the answer. */
export function answerHere(service: Service, { problems }: Terminal): Send {
  const logger = createLogger({ debug: false, useJson: false }, problems);
  // Each request has a line, which is of no interest here; a defect has one, too.
  logger.level = "error";
  const pipeline = new Pipeline({
    config: service.config,
    service,
    router: new Router(ALL_ROUTES),
    authenticate: () => OPERATOR,
    policy: { authorize: () => ({ isAllowed: true }) },
    logger,
    metrics: new Metrics(),
    streams: new OpenStreams(),
  });
  return async (url, { method = "GET", headers = {}, body, signal }) => {
    const { pathname, search } = new URL(url);
    const bytes =
      body instanceof Uint8Array ? body : Buffer.from(typeof body === "string" ? body : "");
    const head = {
      method,
      target: pathname + search,
      headers: {
        host: CLIENT.host,
        "x-auth-token": "none is needed",
        "content-length": String(bytes.byteLength),
        ...Object.fromEntries(new Headers(headers)),
      },
    };
    const given = signal ?? NEVER;
    const source = {
      readBody: () => Promise.resolve(bytes),
      signal: given,
      closed: given,
      cut() {},
    };
    const answer = await pipeline.answer(new Exchange(head, CLIENT), source);
    given.throwIfAborted();
    if (!answer) throw new Error("there is no answer");
    const pairs = answer.headers.flatMap((name, at) =>
      at % 2 === 0 ? [[name, answer.headers[at + 1] ?? ""] as [string, string]] : [],
    );
    return new Response(toBody(answer.body), { status: answer.status, headers: pairs });
  };
}

const NEVER = new AbortController().signal;

type Body = ConstructorParameters<typeof Response>[0];

function toBody(body: Answer["body"]): Body {
  if (body === undefined) return null;
  return isStreamed(body) ? toStream(body) : Buffer.concat(partsOf(body));
}

/** What nobody reads to its end is told that it has one. */
function toStream(body: AsyncIterable<Bytes>): Body {
  return ReadableStream.from<Uint8Array>(eachPart(body)) as Body;
}

async function* eachPart(body: AsyncIterable<Bytes>): AsyncGenerator<Uint8Array> {
  for await (const bytes of body) yield* partsOf(bytes);
}
