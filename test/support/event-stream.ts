import { ADMIN } from "../http/support.ts";

/** An event as the service tells it. */
export interface ReceivedEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string | null;
  readonly request_id: string;
  // eslint-disable-next-line typescript/no-explicit-any -- as the test expects it
  readonly data: any;
}

/** One message of a stream. */
export interface Message {
  /** A position. */
  readonly id: string;
  readonly event: string;
  readonly data: ReceivedEvent;
}

/** A stream of events that a client reads, message by message. */
export class EventStream {
  /** Of the last message, for whoever goes on elsewhere. */
  position: string | undefined;
  readonly #client = new AbortController();
  readonly #messages: AsyncGenerator<Message>;

  private constructor(response: Response, client: AbortController) {
    this.#client = client;
    this.#messages = messagesOf(response);
  }

  /** @param query without its question mark */
  static async open(
    url: string,
    query = "",
    headers: Readonly<Record<string, string>> = {},
  ): Promise<EventStream> {
    const client = new AbortController();
    const response = await fetch(`${url}/stowage/v1/events?${query}`, {
      headers: { ...ADMIN, accept: "text/event-stream", ...headers },
      signal: client.signal,
    });
    if (response.status !== 200) throw new Error(await response.text());
    const stream = new EventStream(response, client);
    stream.position = response.headers.get("stowage-position") ?? undefined;
    return stream;
  }

  /** The next message but bookmarks; undefined when the stream has ended. */
  async next(): Promise<Message | undefined> {
    for (;;) {
      const { value, done } = await this.#messages.next();
      if (done) return undefined;
      if (value.id !== "") this.position = value.id;
      if (value.event !== "position") return value;
    }
  }

  /** So many messages. */
  async take(count: number): Promise<Message[]> {
    const taken: Message[] = [];
    while (taken.length < count) {
      const message = await this.next();
      if (!message) throw new Error(`the stream has ended after ${taken.length}`);
      taken.push(message);
    }
    return taken;
  }

  /** All messages up to one that a test knows to be the last, which comes along. */
  async takeUntil(isLast: (message: Message) => boolean): Promise<Message[]> {
    const taken: Message[] = [];
    for (;;) {
      const [message] = await this.take(1);
      taken.push(message!);
      if (isLast(message!)) return taken;
    }
  }

  close(): void {
    this.#client.abort();
  }
}

async function* messagesOf({ body }: Response): AsyncGenerator<Message> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const part of body as unknown as AsyncIterable<Uint8Array>) {
      rest += decoder.decode(part, { stream: true });
      const blocks = rest.split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const fields = Object.fromEntries(
          block.split("\n").map((line) => {
            const colon = line.indexOf(": ");
            return [line.slice(0, colon), line.slice(colon + 2)];
          }),
        );
        if (fields["event"] === undefined) continue;
        yield { id: fields["id"] ?? "", event: fields["event"], data: JSON.parse(fields["data"]!) };
      }
    }
  } catch (error) {
    // The client has gone away itself, or was cut off.
    if (!(error instanceof Error)) throw error;
  }
}
