import { connect, type Socket } from "node:net";
import { pause } from "./victim.ts";

const HARMLESS = [
  "/",
  "/resource_providers?name=none",
  "/resource_providers?in_tree=a0000000-0000-4000-8000-000000000002",
  "/allocation_candidates?resources=CUSTOM_DEVICE:1000000",
  "/traits?name=in:none",
  "/usages?project_id=none",
  "/allocations/none",
];

/** Sends what no client would, and keeps an eye on its connections. */
export class Attacker {
  readonly #url: URL;
  readonly #sockets: Socket[] = [];

  constructor(url: URL) {
    this.#url = url;
  }

  /**
   * Sends bytes on a connection of their own.
   *
   * @param localAddress whence, on loopback
   * @returns the status of the answer, or how it ended without one
   */
  send(
    bytes: string | readonly string[],
    limitMs = 120_000,
    localAddress = "127.0.0.1",
  ): Promise<string> {
    const { port, hostname: host } = this.#url;
    const socket = connect({ port: Number(port), host, localAddress });
    this.#sockets.push(socket);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve("no answer"), limitMs);
      const end = (how: string) => {
        clearTimeout(timer);
        resolve(how);
      };
      socket.on("data", (chunk: Buffer) => {
        end(/^HTTP\/1\.[01] (\d{3})/.exec(chunk.toString("latin1"))?.[1] ?? "?");
      });
      socket.on("error", () => end("reset"));
      socket.on("close", () => end("closed"));
      for (const part of [bytes].flat()) socket.write(Buffer.from(part, "latin1"));
    });
  }

  /** Asks for a little of everything: a schema is compiled when it is first needed, which takes 10 ms. */
  async warmUp(): Promise<void> {
    for (const path of HARMLESS) await this.whole(this.request("GET", path));
    for (const path of ["/resource_providers", "/allocations", "/reshaper"]) {
      await this.whole(this.request("POST", path, '{"none": 1}'));
    }
    await this.whole(this.request("PUT", "/resource_providers/none/traits", '{"none": 1}'));
  }

  /** Sends a request, and takes in the whole answer; its status, how much it was, and how long it took. */
  async whole(bytes: string): Promise<string> {
    const startedAtMs = performance.now();
    const socket = connect(Number(this.#url.port), this.#url.hostname);
    this.#sockets.push(socket);
    socket.write(bytes.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    let size = 0;
    let status = "";
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      if (size === 0) status = /^HTTP\/1\.1 (\d{3})/.exec(chunk.toString("latin1"))?.[1] ?? "?";
      size += chunk.length;
    }
    const took = Math.round(performance.now() - startedAtMs);
    return `${status}, ${Math.round(size / 1024)} KiB in ${took} ms`;
  }

  /** Sends the same on many connections; the answers by how many got them. */
  async sendMany(count: number, bytes: string, limitMs: number): Promise<string> {
    const answers = await Promise.all(
      Array.from({ length: count }, () => this.send(bytes, limitMs)),
    );
    return Array.from(
      Map.groupBy(answers, (answer) => answer),
      ([answer, { length }]) => `${length} x ${answer}`,
    ).join(", ");
  }

  /** A request with a body that is complete unless a longer one is announced. */
  request(method: string, path: string, body = "", { headers = "", announced = body.length } = {}) {
    return (
      `${method} ${path} HTTP/1.1\r\nHost: ${this.#url.host}\r\nX-Auth-Token: admin\r\n` +
      `OpenStack-API-Version: placement 1.39\r\n${headers}` +
      (announced > 0
        ? `Content-Type: application/json\r\nContent-Length: ${announced}\r\n\r\n${body}`
        : "\r\n")
    );
  }

  /** The connections that the service has not closed. */
  async held(afterMs: number): Promise<number> {
    await pause(afterMs);
    return this.#sockets.filter(({ destroyed, readable }) => !destroyed && readable).length;
  }

  /** Goes away. */
  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
