import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { createInterface } from "node:readline";

import type { LoopDelay } from "../hostile/observer.ts";

const HEADERS = { "x-auth-token": "admin", "openstack-api-version": "placement 1.39" };

/** A service whose processor time is counted. */
export interface Measured {
  readonly url: string;
  processorMs(): Promise<number>;
}

/** A process with `observer.ts` loaded into it. */
export class ObservedProcess implements Measured {
  readonly url: string;
  readonly process: ChildProcess;

  constructor(child: ChildProcess, url: string) {
    this.process = child;
    this.url = url;
  }

  async processorMs(): Promise<number> {
    return this.#ask<number>("processor time?");
  }

  /** The longest hold of the event loop since the last question. */
  async longestHoldMs(): Promise<number> {
    return (await this.hold()).maxMs;
  }

  hold(): Promise<LoopDelay> {
    return this.#ask<LoopDelay>("loop delay?");
  }

  async #ask<Answer>(question: string): Promise<Answer> {
    const answered = once(this.process, "message") as Promise<[Answer]>;
    this.process.send(question);
    return (await answered)[0];
  }
}

/** A server that sends again what others have answered: see `floor.ts`. */
export class Floor extends ObservedProcess {
  static async start(): Promise<Floor> {
    const observer = new URL("../hostile/observer.ts", import.meta.url).href;
    const program = new URL("floor.ts", import.meta.url).pathname;
    const child = spawn(process.execPath, ["--import", observer, program], {
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    for await (const line of createInterface({ input: child.stdout! })) {
      return new Floor(child, line);
    }
    throw new Error("the floor did not start");
  }

  /** Has it send from now on what is at a URL now; returns how many bytes that is. */
  async take(url: string): Promise<number> {
    const answered = once(this.process, "message") as Promise<[number]>;
    this.process.send(url);
    return (await answered)[0];
  }
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

/** Asks for a path so many times, one after the other; the processor time of an answer. */
export async function costOf(service: Measured, path: string, count: number): Promise<number> {
  const before = await service.processorMs();
  for (let number = 0; number < count; number += 1) await drain(service.url + path);
  return ((await service.processorMs()) - before) / count;
}

function drain(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers: HEADERS }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url}: ${response.statusCode}`));
      response.on("end", resolve).on("error", reject).resume();
    }).on("error", reject);
  });
}
