import { connect, type Socket } from "node:net";
import { once } from "node:events";

import { claim } from "../../src/operations/allocations.ts";
import type { Service } from "../../src/operations/service.ts";
import { nextClaim, nextMessage } from "./fleet.ts";

/** Makes one claim after the other, and waits for each. */
export interface Caller {
  claim(): Promise<void>;
  close(): void;
}

export function localCaller(service: Service): Caller {
  return { claim: () => claim(service, nextClaim()), close() {} };
}

/** Over one connection, reading just enough of each answer: the client is not what is measured. */
export async function httpCaller(url: string): Promise<Caller> {
  const { hostname, port, host } = new URL(url);
  const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, "connect");
  let answer = Promise.withResolvers<void>();
  socket.on("data", (chunk: Buffer) => {
    const status = chunk.toString("latin1", 0, 12);
    if (status === "HTTP/1.1 204") answer.resolve();
    else answer.reject(new Error(`not an answer to measure: ${chunk.toString("latin1")}`));
  });
  socket.on("error", (error) => answer.reject(error));
  return {
    claim() {
      answer = Promise.withResolvers();
      socket.write(nextMessage(host));
      return answer.promise;
    },
    close: () => socket.destroy(),
  };
}

export interface Round {
  readonly perSecond: number;
  readonly latenciesMs: readonly number[];
}

/** Lets all callers claim until the time is over. */
export async function measureRound(callers: readonly Caller[], durationMs: number): Promise<Round> {
  const latenciesMs: number[] = [];
  const startedAtMs = performance.now();
  const endsAtMs = startedAtMs + durationMs;
  await Promise.all(
    callers.map(async (caller) => {
      for (let sentAtMs = performance.now(); sentAtMs < endsAtMs; sentAtMs = performance.now()) {
        await caller.claim();
        latenciesMs.push(performance.now() - sentAtMs);
      }
    }),
  );
  return {
    perSecond: (latenciesMs.length * 1000) / (performance.now() - startedAtMs),
    latenciesMs,
  };
}
