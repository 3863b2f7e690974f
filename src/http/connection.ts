import type { Socket } from "node:net";
import type { BodyReader } from "./body.ts";

/** What is going on on one connection. */
class Connection {
  /** Requests whose answers are not complete. */
  inFlight = 0;
  /** The parser has given up on what comes in; nothing more is read. */
  isBroken = false;
  /** Of the newest request. */
  body: BodyReader | undefined;
}

const CONNECTIONS = new WeakMap<Socket, Connection>();

export function connectionOf(socket: Socket): Connection {
  let connection = CONNECTIONS.get(socket);
  if (!connection) CONNECTIONS.set(socket, (connection = new Connection()));
  return connection;
}
