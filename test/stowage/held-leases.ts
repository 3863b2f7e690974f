import { internalContext } from "../../src/db/change.ts";
import { readLeaseTimes, serveLeases } from "../../src/db/lease-clock.ts";
import type { Reply } from "../support/client.ts";
import type { LocalStowage } from "../support/stowage.ts";

const TEST = internalContext("test");

/** What an answer has of a lease. */
export interface ToldLease {
  readonly seconds: number;
  readonly expires_at: string;
}

/** Asks for the lease of a consumer, and about it. */
export function leaseOf({ client }: Pick<LocalStowage, "client">, uuid: string) {
  const path = `/stowage/v1/consumers/${uuid}/lease`;
  return {
    get: (): Promise<Reply> => client.get(path),
    renew: (seconds: number): Promise<Reply> => client.put(path, { seconds }),
    keep: (): Promise<Reply> => client.delete(path),
  };
}

/** Has all leases go on as if so much of their time had passed, in which somebody served. */
export async function letPass({ service }: LocalStowage, seconds: number): Promise<void> {
  await service.database.writer(TEST, async (tx) => {
    await tx.query
      .updateTable("stowage_grants")
      .set((eb) => ({
        renewed_at: tx.adapter.later(eb.ref("renewed_at"), -seconds),
        expires_at: tx.adapter.later(eb.ref("expires_at"), -seconds),
      }))
      .execute();
    await serveLeases(tx, { longestMs: Infinity, skewMs: 0 });
  });
}

/** The same, in which nobody served. */
export async function letPassUnserved(stowage: LocalStowage, seconds: number): Promise<void> {
  await letPass(stowage, seconds);
  const { database } = stowage.service;
  await database.writer(TEST, async (tx) => {
    const { servedUntil } = await readLeaseTimes(tx);
    const before = new Date(servedUntil!.getTime() - seconds * 1000);
    await tx.query
      .updateTable("stowage_state")
      .set({ value: tx.adapter.encodePreciseDate(before) })
      .where("name", "=", "leases_served_until")
      .execute();
  });
}
