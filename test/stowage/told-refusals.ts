import type { Service } from "../../src/operations/service.ts";
import type { Client } from "../support/client.ts";

/** As `GET /stowage/v1/refusals` tells one, as far as tests look at it. */
export interface ToldRefusal {
  readonly kind: string;
  readonly request_id: string;
  readonly query?: string;
  readonly consumer_uuid?: string;
  readonly explanation?: { readonly summary: string };
  readonly facts?: Readonly<Record<string, unknown>>;
}

export async function refusalsOf(client: Client, query = "") {
  const reply = await client.expectSuccess("GET", `/stowage/v1/refusals?${query}`);
  return reply.json<{ readonly refusals: readonly ToldRefusal[]; readonly dropped: number }>();
}

/** What is written down. */
export function rowsOf({ database }: Service) {
  const context = { requestId: "test", userId: undefined, projectId: undefined };
  return database.reader(context, (tx) =>
    tx.query.selectFrom("stowage_refusals").selectAll().orderBy("id").execute(),
  );
}
