import type { Server } from "node:http";

/** How a shutdown went. */
export type ShutdownOutcome = "finished" | "cut off";

/**
 * Stops a server in phases: no new connections, idle ones closed at once; then the requests in
 * flight finish, each closing its connection; after `limitMs` what is left is cut off.
 */
export async function shutDown(server: Server, limitMs: number): Promise<ShutdownOutcome> {
  const closed = new Promise<ShutdownOutcome>((resolve) => {
    server.close(() => resolve("finished"));
  });
  server.closeIdleConnections();
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<ShutdownOutcome>((resolve) => {
    timer = setTimeout(() => resolve("cut off"), limitMs);
  });
  const outcome = await Promise.race([closed, limit]);
  clearTimeout(timer);
  server.closeAllConnections();
  await closed;
  return outcome;
}
