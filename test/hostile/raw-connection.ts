import { connect } from "node:net";

/** What came back on a connection until the other side closed it. */
export interface RawReply {
  /** 0 when nothing came back. */
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/**
 * Sends bytes that no HTTP library would, and reads until the service closes the connection; so the
 * bytes must ask for that, or be so broken that it does so by itself.
 */
export function sendRaw(url: string, bytes: Uint8Array, timeoutMs = 10_000): Promise<RawReply> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) });
    const chunks: Buffer[] = [];
    socket.setTimeout(timeoutMs, () => {
      socket.destroy(new Error(`the connection was still open after ${timeoutMs} ms`));
    });
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // A service that closes while it is still being sent to resets the connection.
      if (error.code === "ECONNRESET" || error.code === "EPIPE") resolve(parse(chunks));
      else reject(error);
    });
    socket.on("close", () => resolve(parse(chunks)));
    socket.write(bytes);
  });
}

function parse(chunks: readonly Buffer[]): RawReply {
  const text = Buffer.concat(chunks).toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  const head = end === -1 ? text : text.slice(0, end);
  return {
    status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1] ?? 0),
    head,
    body: end === -1 ? "" : text.slice(end + 4),
  };
}
