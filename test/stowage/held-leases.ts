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
        renewed_at: tx.adapter.later(eb.ref("renewed_at"), eb.val(-seconds)),
        expires_at: tx.adapter.later(eb.ref("expires_at"), eb.val(-seconds)),
      }))
      .where("expires_at", "is not", null)
      .execute();
    await serveLeases(tx, { longestMs: Infinity, skewMs: 0 });
  });
}

/**
 * The same, in which nobody served.
 *
 * @param before for so long before nobody had to, as there was no lease
 */
export async function letPassUnserved(
  stowage: LocalStowage,
  seconds: number,
  before = 0,
): Promise<void> {
  await letPass(stowage, seconds);
  const { database } = stowage.service;
  await database.writer(TEST, async (tx) => {
    const { servedUntil } = await readLeaseTimes(tx);
    const served = new Date(servedUntil!.getTime() - (seconds + before) * 1000);
    await tx.query
      .updateTable("stowage_state")
      .set({ value: tx.adapter.encodePreciseDate(served) })
      .where("name", "=", "leases_served_until")
      .execute();
  });
}
