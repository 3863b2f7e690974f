import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "../../test/support/client.ts";
import { makeProvider, providerUuid } from "../../test/support/fleet.ts";
import { makeFolder } from "../../test/support/stowage.ts";
import { addMuch } from "./much.ts";
import { type OptionGroups, startService } from "./observed.ts";
import type { LoopDelay } from "./observer.ts";
import { DEVICE_SIZE, DEVICES } from "./queries.ts";

/** What one attack did. */
export interface Damage {
  /** How long another client's `GET /` took at worst. */
  readonly longestWaitMs: number;
  /** The longest hold of the event loop, and that which 99 of 100 rounds stay below. */
  readonly loopMaxMs: number;
  readonly loopP99Ms: number;
  /** The longest hold in processor time of the thread, which does not depend on what else the machine does. */
  readonly loopMaxCpuMs: number;
  /** How much more memory than before was in use at the worst moment. */
  readonly addedMiB: number;
  /** Of the attacker's connections, those that are open when the time of the attack is over. */
  readonly connectionsHeld: number;
}

/** The service of a checkout as an operator runs it, on a fleet, in a process of its own. */
export class Victim {
  readonly url: URL;
  readonly #process: ChildProcess;
  readonly #bystander: ChildProcess;
  readonly #remove: () => Promise<void>;

  private constructor(child: ChildProcess, url: string, remove: () => Promise<void>) {
    this.#process = child;
    this.url = new URL(url);
    this.#remove = remove;
    this.#bystander = fork(new URL("bystander.ts", import.meta.url), [url]);
  }

  /** @param database a file made by {@link makeFleet}, of which it gets a copy */
  static async start(
    checkout: string,
    database: string,
    options: OptionGroups = {},
  ): Promise<Victim> {
    const folder = await makeFolder();
    const file = join(folder.path, "placement.sqlite");
    cpSync(database, file);
    const { child, url } = await startService(checkout, folder.path, file, options);
    return new Victim(child, url, () => folder.remove());
  }

  /** Damage from now until `attack` has ended. */
  async watch(attack: () => Promise<unknown>): Promise<Damage> {
    // What starts and warms up is not to be counted.
    await pause(1500);
    await this.#longestWaitMs();
    await this.#loopDelay();
    const beforeMiB = this.#memoryMiB("VmRSS");
    // Makes the highest memory in use so far start anew.
    writeFileSync(`/proc/${this.#process.pid}/clear_refs`, "5");
    await attack();
    const { maxMs, p99Ms, maxCpuMs } = await this.#loopDelay();
    return {
      longestWaitMs: await this.#longestWaitMs(),
      loopMaxMs: maxMs,
      loopP99Ms: p99Ms,
      loopMaxCpuMs: maxCpuMs,
      addedMiB: this.#memoryMiB("VmHWM") - beforeMiB,
      connectionsHeld: 0,
    };
  }

  async stop(): Promise<void> {
    this.#bystander.kill();
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
    await this.#remove();
  }

  async #longestWaitMs(): Promise<number> {
    const answered = once(this.#bystander, "message") as Promise<[number]>;
    this.#bystander.send("how long?");
    return (await answered)[0];
  }

  async #loopDelay(): Promise<LoopDelay> {
    const answered = once(this.#process, "message") as Promise<[LoopDelay]>;
    this.#process.send("loop delay?");
    return (await answered)[0];
  }

  #memoryMiB(name: "VmRSS" | "VmHWM"): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, "utf8");
    const line = status.split("\n").find((text) => text.startsWith(`${name}:`));
    return Number.parseInt(line?.slice(name.length + 1) ?? "", 10) / 1024;
  }
}

/** Fills a database of its own with hosts, through the API; where it is, and how to remove it. */
export async function makeFleet(checkout: string, hosts: number) {
  const folder = await makeFolder();
  const database = join(folder.path, "placement.sqlite");
  const { child, url } = await startService(checkout, folder.path, database, {});
  const client = new Client(url);
  for (let number = 1; number <= hosts; number += 1) {
    await makeProvider(client, providerUuid(number), {
      VCPU: 64,
      MEMORY_MB: 262_144,
      DISK_GB: 4000,
    });
  }
  await makeWideTree(client, hosts);
  client.close();
  child.kill("SIGTERM");
  await once(child, "exit");
  let much: Promise<string> | undefined;
  return {
    database,
    /** The same with very many of everything, made when it is first needed. */
    withMuch: () => (much ??= copyWithMuch(database, hosts)),
    remove: () => folder.remove(),
  };
}

async function copyWithMuch(database: string, hosts: number): Promise<string> {
  const copy = `${database}-much`;
  cpSync(database, copy);
  await addMuch(copy, hosts);
  return copy;
}

/** A host with devices of which no two are alike. */
async function makeWideTree(client: Client, hosts: number): Promise<void> {
  await client.expectSuccess("PUT", "/resource_classes/CUSTOM_DEVICE");
  const root = providerUuid(hosts + 1);
  await makeProvider(client, root, { VCPU: 64 });
  for (let device = 0; device < DEVICES; device += 1) {
    const uuid = providerUuid(hosts + 2 + device);
    await client.expectSuccess("POST", "/resource_providers", {
      body: { uuid, name: uuid, parent_provider_uuid: root },
    });
    const total = DEVICE_SIZE + device;
    await client.expectSuccess("PUT", `/resource_providers/${uuid}/inventories`, {
      body: {
        resource_provider_generation: 0,
        inventories: { CUSTOM_DEVICE: { total, max_unit: total } },
      },
    });
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
