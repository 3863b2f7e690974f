import type { IncomingHttpHeaders } from "node:http";
import type { Microversion } from "../api/microversions.ts";
import type { NoteRefusal } from "../api/request.ts";
import type { Dialect } from "../api/route.ts";
import { Effort } from "../domain/request-context.ts";
import type { Credentials } from "../auth/credentials.ts";
import type { ClientView } from "./proxy-headers.ts";
import type { MessageFlaw } from "./message-flaw.ts";
import { findGlobalRequestId, newRequestId } from "./request-id.ts";

/** What came in ahead of the body. */
export interface RequestHead {
  readonly method: string;
  /** Path and query as they were sent, without the prefix under which the API is mounted. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
}

/** One request and what becomes known of it on its way through the pipeline. */
export class Exchange {
  /** By the clock of `performance.now()`. */
  readonly startedAtMs = performance.now();
  readonly requestId = newRequestId();
  readonly globalRequestId: string | undefined;
  readonly head: RequestHead;
  readonly client: ClientView;
  /** The path as it was sent. */
  readonly rawPath: string;
  /** The query string without its question mark, as it was sent. */
  readonly rawQuery: string;
  /** The `Accept` header; JSON when there is none, or anything goes. */
  readonly accept: string;
  /** What makes the message unreadable, if anything: told when it is the turn of its framing. */
  get flaw(): MessageFlaw | undefined {
    return this.#findFlaw();
  }

  readonly effort = new Effort();
  credentials: Credentials | undefined;
  microversion: Microversion | undefined;
  /** The template of the path, once it is known to lead somewhere. */
  route: string | undefined;
  dialect: Dialect = "placement";
  /** Takes note of the error that it is answered with. */
  noteRefusal: NoteRefusal | undefined;

  readonly #findFlaw: () => MessageFlaw | undefined;

  /** @param findFlaw the parser may find it only after the head has been given to us */
  constructor(
    head: RequestHead,
    client: ClientView,
    findFlaw: () => MessageFlaw | undefined = () => undefined,
  ) {
    this.head = head;
    this.client = client;
    this.#findFlaw = findFlaw;
    this.globalRequestId = findGlobalRequestId(head.headers["x-openstack-request-id"]);
    const { accept } = head.headers;
    this.accept = !accept || accept === "*/*" ? "application/json" : accept;
    const { target } = head;
    const mark = target.indexOf("?");
    this.rawPath = mark === -1 ? target : target.slice(0, mark);
    this.rawQuery = mark === -1 ? "" : target.slice(mark + 1);
  }
}
