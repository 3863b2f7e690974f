/** One message of a stream of server-sent events. */
interface Message {
  /** Empty where it has none. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Many times the longest event: whatever is there, it cannot fill the memory. */
const MAX_MESSAGE = 4 * 1024 * 1024;

/**
 * The messages of a stream as they come, until it ends; of the format only what a service of ours sends.
 *
 * @throws when it breaks off
 */
export async function* messagesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Message> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const part of body) {
    rest += decoder.decode(part, { stream: true });
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    if (rest.length > MAX_MESSAGE) throw new Error("an event has no end");
    for (const block of blocks) {
      const fields = new Map(block.split("\n").map(fieldOf));
      const event = fields.get("event");
      if (event !== undefined) {
        yield { id: fields.get("id") ?? "", event, data: fields.get("data") ?? "" };
      }
    }
  }
}

function fieldOf(line: string): [name: string, value: string] {
  const [, name = "", value = ""] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
  return [name, value];
}
