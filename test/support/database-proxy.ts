import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/**
 * Stands between the service and a database server, and hands bytes on until it is told to do what
 * networks do.
 */
export class DatabaseProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #moment: "before" | "after" | undefined;
  #isSilent = false;
  #delayMs = 0;

  private constructor(host: string, port: number) {
    this.#server = createServer((client) => this.#join(client, connect(port, host)));
  }

  static async start(host: string, port: number): Promise<DatabaseProxy> {
    const proxy = new DatabaseProxy(host, port);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * Breaks a connection once, when a commit comes by: before the server gets to know of it, or
   * after it is done and before anybody is told.
   */
  cutAtCommit(moment: "before" | "after"): void {
    this.#moment = moment;
  }

  /** From now on, nothing arrives anywhere, and nobody is told: connections are half open. */
  fallSilent(): void {
    this.#isSilent = true;
  }

  /** Lets new connections through; those of before stay dead. */
  speakAgain(): void {
    this.#isSilent = false;
  }

  /** How much later everything arrives that the server says. */
  set delayMs(delayMs: number) {
    this.#delayMs = delayMs;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  #join(client: Socket, server: Socket): void {
    const pair = { client, server, isDead: this.#isSilent };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => this.#sockets.delete(socket));
    }
    const isLost = () => (pair.isDead ||= this.#isSilent);
    client.on("close", () => isLost() || server.destroy());
    server.on("close", () => isLost() || client.destroy());
    server.on("data", (bytes) => {
      if (isLost()) return;
      if (this.#delayMs === 0) client.write(bytes);
      else setTimeout(() => client.write(bytes), this.#delayMs);
    });
    client.on("data", (bytes: Buffer) => {
      if (!isLost()) this.#handOn(bytes, client, server);
    });
  }

  #handOn(bytes: Buffer, client: Socket, server: Socket): void {
    if (!this.#moment || !bytes.includes("commit")) {
      server.write(bytes);
      return;
    }
    const cut = () => client.destroy();
    if (this.#moment === "before") {
      server.destroy();
      server.removeAllListeners("close");
      server.once("close", cut);
    } else {
      server.removeAllListeners("data");
      server.once("data", cut);
      server.write(bytes);
    }
    this.#moment = undefined;
  }
}
