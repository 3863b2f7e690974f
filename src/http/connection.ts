import type { Socket } from "node:net";
import type { BodyReader } from "./body.ts";

/** What is going on on one connection. */
class ClientConnection {
  /** Requests whose answers are not complete. */
  inFlight = 0;
  /** The parser has given up on what comes in; nothing more is read. */
  isBroken = false;
  /** Of the newest request. */
  body: BodyReader | undefined;
}

const CONNECTIONS = new WeakMap<Socket, ClientConnection>();

export function connectionOf(socket: Socket): ClientConnection {
  let connection = CONNECTIONS.get(socket);
  if (!connection) CONNECTIONS.set(socket, (connection = new ClientConnection()));
  return connection;
}
