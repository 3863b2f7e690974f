import type { Client, Reply } from "../support/client.ts";
import { claimBody } from "../support/fleet.ts";
import type { Holdings, Journal, JournalEntry } from "./journal.ts";
import type { Random } from "./random.ts";

/** Chooses what clients do next, so that every kind of write to consumers comes up. */
export class Choices {
  readonly #journal: Journal;
  readonly #random: Random;
  readonly #providers: readonly string[];

  constructor(journal: Journal, random: Random, providers: readonly string[]) {
    this.#journal = journal;
    this.#random = random;
    this.#providers = providers;
  }

  next(consumers: readonly string[]): Pick<JournalEntry, "action" | "wanted"> {
    const first = this.#random.pick(consumers);
    const holdings = this.#journal.certainHoldings(first);
    const holdsNothing = Object.keys(holdings).length === 0;
    if (this.#random.below(3) === 0) {
      const wanted = new Map([[first, this.#holdingsOf(1)]]);
      return { action: "claim in one call", wanted };
    }
    if (holdsNothing) return { action: "claim", wanted: new Map([[first, this.#someHoldings()]]) };
    switch (this.#random.below(4)) {
      case 0:
        return { action: "delete", wanted: new Map([[first, {}]]) };
      case 1: {
        const second = this.#random.pick(consumers.filter((consumer) => consumer !== first));
        const other = this.#journal.certainHoldings(second);
        return {
          action: "swap",
          wanted: new Map([
            [first, other],
            [second, holdings],
          ]),
        };
      }
      default:
        return { action: "move", wanted: new Map([[first, this.#someHoldings()]]) };
    }
  }

  #someHoldings(): Holdings {
    return this.#holdingsOf(this.#random.below(4) === 0 ? 2 : 1);
  }

  #holdingsOf(providers: number): Holdings {
    const start = this.#random.below(this.#providers.length);
    return Object.fromEntries(
      Array.from({ length: providers }, (_, at) => {
        const amount = 1 + this.#random.below(5);
        const provider = this.#providers[(start + at) % this.#providers.length] ?? "";
        return [provider, { VCPU: amount, MEMORY_MB: amount * 256 }];
      }),
    );
  }
}

/** A write as it goes over the wire. */
export interface PreparedWrite {
  readonly method: "PUT" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
}

/** Asks for the generations that the write has to name. */
export async function prepareWrite(
  client: Client,
  { action, wanted }: Pick<JournalEntry, "action" | "wanted">,
): Promise<PreparedWrite> {
  const [[consumer, holdings] = ["", {}]] = wanted;
  const path = `/allocations/${consumer}`;
  if (action === "delete") return { method: "DELETE", path };
  if (action === "claim in one call") return inOneCall(client, consumer, holdings);
  if (action !== "swap") {
    return { method: "PUT", path, body: await bodyOf(client, consumer, holdings) };
  }
  const body: Record<string, unknown> = {};
  for (const [uuid, held] of wanted) body[uuid] = await bodyOf(client, uuid, held);
  return { method: "POST", path: "/allocations", body };
}

/** Of one candidate, so that it is known beforehand what is to be held. */
async function inOneCall(
  client: Client,
  consumer: string,
  holdings: Holdings,
): Promise<PreparedWrite> {
  const [[provider, amounts] = ["", {}]] = Object.entries(holdings);
  const resources = Object.entries(amounts).map(([name, amount]) => `${name}:${amount}`);
  const body = {
    query: `resources=${resources.join(",")}&in_tree=${provider}`,
    consumer: {
      uuid: consumer,
      project_id: "lab",
      user_id: "ann",
      type: "INSTANCE",
      generation: await generationOf(client, consumer),
    },
    lease: { seconds: 3600 },
  };
  return { method: "POST", path: "/stowage/v1/claims", body };
}

export function sendWrite(
  client: Client,
  { method, path, ...body }: PreparedWrite,
): Promise<Reply> {
  return client.send(method, path, body);
}

async function bodyOf(client: Client, consumer: string, holdings: Holdings): Promise<unknown> {
  return claimBody(holdings, { generation: await generationOf(client, consumer) });
}

/** `null` for one that holds nothing. */
async function generationOf(client: Client, consumer: string): Promise<number | null> {
  const reply = await client.expectSuccess("GET", `/allocations/${consumer}`);
  return reply.json<{ consumer_generation?: number }>().consumer_generation ?? null;
}

export function isBrokenConnection(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ECONNRESET" || code === "ECONNREFUSED" || code === "EPIPE";
}
