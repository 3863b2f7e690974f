import type { Server } from "node:http";
import { Server as NetServer } from "node:net";

/** How a shutdown went. */
export type ShutdownOutcome = "finished" | "cut off";

/** How long connections that look idle are kept: a request may be on its way. */
const GRACE_MS = 200;

/**
 * Stops a server in phases: no new connections; a moment later the idle ones are closed; the
 * requests in flight finish, each closing its connection; after `limitMs` what is left is cut off.
 */
export async function shutDown(server: Server, limitMs: number): Promise<ShutdownOutcome> {
  const closed = new Promise<ShutdownOutcome>((resolve) => {
    // That of node:http would reset connections whose first request has not been read yet.
    NetServer.prototype.close.call(server, () => resolve("finished"));
  });
  const grace = setTimeout(() => server.closeIdleConnections(), GRACE_MS);
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<ShutdownOutcome>((resolve) => {
    timer = setTimeout(() => resolve("cut off"), limitMs);
  });
  const outcome = await Promise.race([closed, limit]);
  clearTimeout(grace);
  clearTimeout(timer);
  // Ends its supervision of connections, too.
  server.close();
  server.closeAllConnections();
  await closed;
  return outcome;
}
