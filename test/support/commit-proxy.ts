import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** What happens when a commit comes by. */
export type Meeting =
  /** The server does not get to know of it; or does it, and nobody is told. The connection breaks. */
  | "cut before"
  | "cut after"
  /** The same, but MySQL seems to say that it failed, as Galera does when a node is cut off. */
  | "denied before"
  | "denied after"
  /** It waits, as it would in a process that stands still. */
  | "hold"
  /** It waits on its way, and the client believes that the connection broke. */
  | "strand";

/** Stands between a client and a database, hands bytes on, and meddles with the commit of a transaction that writes if told to. */
export class CommitProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port: number;
  #host: string;
  #meeting: Meeting | undefined;
  #met = Promise.withResolvers<void>();
  #released = Promise.withResolvers<void>();
  #open = Promise.resolve();

  private constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
    this.#server = createServer((client) => void this.#accept(client));
  }

  static async start(host: string, port: number): Promise<CommitProxy> {
    const proxy = new CommitProxy(host, port);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The same connection string, by way of here. */
  route(connection: string): string {
    const url = new URL(connection);
    url.hostname = "127.0.0.1";
    url.port = String(this.port);
    return url.href;
  }

  /**
   * What is to happen to the next commit.
   *
   * @returns when it has come
   */
  meetCommit(meeting: Meeting): Promise<void> {
    this.#meeting = meeting;
    this.#met = Promise.withResolvers();
    this.#released = Promise.withResolvers();
    return this.#met.promise;
  }

  /** Lets the commit go that was held. */
  release(): void {
    this.#released.resolve();
  }

  /** New connections wait for this, and then lead to that port. */
  redirect(port: number, after: Promise<void> = Promise.resolve()): void {
    this.#port = port;
    this.#open = after;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #accept(client: Socket): Promise<void> {
    this.#track(client);
    await this.#open;
    const server = connect(this.#port, this.#host);
    this.#track(server);
    client.on("close", () => server.destroy());
    server.on("close", () => client.destroy());
    server.on("data", (bytes) => client.write(bytes));
    let isWriting = false;
    client.on("data", (bytes: Buffer) => {
      const text = bytes.toString("latin1");
      if (/start transaction|begin isolation/.test(text)) isWriting = !text.includes("read only");
      const isCommit = isWriting && /\bcommit\b/.test(text);
      if (isCommit && this.#meeting) void this.#meet(bytes, client, server);
      else server.write(bytes);
    });
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
  }

  async #meet(bytes: Buffer, client: Socket, server: Socket): Promise<void> {
    const meeting = this.#meeting;
    this.#meeting = undefined;
    if (meeting === "cut before") client.destroy();
    if (meeting === "cut after") {
      server.removeAllListeners("data");
      server.on("data", () => client.destroy());
    }
    if (meeting === "denied before") client.write(DENIAL);
    if (meeting === "denied after") {
      server.removeAllListeners("data");
      server.once("data", () => {
        client.write(DENIAL);
        server.on("data", (answer) => client.write(answer));
      });
    }
    if (meeting === "strand") {
      client.removeAllListeners("close");
      client.destroy();
    }
    this.#met.resolve();
    if (meeting === "hold" || meeting === "strand") await this.#released.promise;
    if (meeting !== "cut before" && meeting !== "denied before") server.write(bytes);
  }
}

/** An answer of MySQL's protocol: that there was an error 1180 during the commit. */
const DENIAL = Buffer.from("\x09\0\0\x01\xff\x9c\x04#HY000", "latin1");
