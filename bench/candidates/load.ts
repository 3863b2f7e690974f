import { connect } from "node:net";

export interface Load {
  readonly count: number;
  readonly perSecond: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

const HEADERS_END = Buffer.from("\r\n\r\n");

/**
 * Sends one GET after the other on each of several connections, and reads just enough of the
 * answers to know where they end: the client must not be what is measured.
 */
export async function load(
  url: URL,
  options: {
    readonly connections: number;
    readonly durationMs: number;
    /** Goes on for so long when that many requests have not been answered by then. */
    readonly requests?: { readonly atLeast: number; readonly durationMs: number };
  },
): Promise<Load> {
  const latenciesMs: number[] = [];
  const startedAtMs = performance.now();
  const { requests, durationMs } = options;
  const isOver = () => {
    const ms = performance.now() - startedAtMs;
    const isMissingSome = requests && latenciesMs.length < requests.atLeast;
    return ms >= (isMissingSome ? requests.durationMs : durationMs);
  };
  const connections = Array.from({ length: options.connections }, () =>
    run(url, isOver, latenciesMs),
  );
  await Promise.all(connections);
  const seconds = (performance.now() - startedAtMs) / 1000;
  const count = latenciesMs.length;
  return { count, perSecond: count / seconds, ...quantiles(latenciesMs) };
}

export function quantiles(valuesMs: readonly number[]): Pick<Load, "medianMs" | "p99Ms"> {
  const sorted = Float64Array.from(valuesMs).sort();
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { medianMs: at(0.5), p99Ms: at(0.99) };
}

function run(url: URL, isOver: () => boolean, latenciesMs: number[]): Promise<void> {
  const request =
    `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n` +
    "X-Auth-Token: admin\r\nOpenStack-API-Version: placement 1.39\r\n\r\n";
  return new Promise((resolve, reject) => {
    // Memory for each chunk would cost the client more than the server takes to send it.
    const buffer = Buffer.allocUnsafe(256 * 1024);
    const socket = connect({
      port: Number(url.port || 80),
      host: url.hostname,
      onread: { buffer, callback: (size) => receive(buffer.subarray(0, size)) },
    });
    let sentAtMs = 0;
    let missing: number | undefined;
    const send = () => {
      sentAtMs = performance.now();
      missing = undefined;
      socket.write(request);
    };
    let answers = 0;
    socket.on("connect", send);
    // A server that keeps no connections closes each after its answer.
    socket.on("error", (error) => answers === 0 && reject(error));
    socket.on("close", () => {
      if (isOver()) resolve();
      else if (answers > 0) resolve(run(url, isOver, latenciesMs));
      else reject(new Error(`${url.href} closed the connection without an answer`));
    });
    const receive = (chunk: Buffer) => {
      missing = (missing ?? chunk.length + bodyLength(chunk)) - chunk.length;
      if (missing > 0) return true;
      answers += 1;
      latenciesMs.push(performance.now() - sentAtMs);
      if (isOver()) socket.end();
      else send();
      return true;
    };
  });
}

/** What is still to come after the chunk that an answer begins with. */
function bodyLength(chunk: Buffer): number {
  const end = chunk.indexOf(HEADERS_END);
  const head = chunk.subarray(0, end).toString("latin1");
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  if (!head.startsWith("HTTP/1.1 200") || length === undefined) {
    throw new Error(`not an answer to measure: ${head}`);
  }
  return Number(length) - (chunk.length - end - HEADERS_END.length);
}
