import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Ports of loopback on which nothing listens, for programs that have to be told theirs. They are drawn
 * from below those that systems give to outgoing connections: one of these could have the port by the
 * time the program listens, or is started again.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = FIRST + Math.floor(Math.random() * (END - FIRST));
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

const FIRST = 10_000;
const END = 32_000;

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, "127.0.0.1"), "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
