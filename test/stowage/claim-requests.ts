import type { Reply, SendOptions } from "../support/client.ts";
import type { LocalStowage } from "../support/stowage.ts";

export interface Claimed {
  readonly claims: readonly [
    {
      readonly consumer: { readonly uuid: string; readonly generation: number };
      readonly allocations: Readonly<
        Record<string, { generation: number; resources: Readonly<Record<string, number>> }>
      >;
      readonly mappings: Readonly<Record<string, readonly string[]>>;
    },
  ];
  readonly attempts: number;
  readonly considered: number;
}

interface Refused {
  readonly errors: readonly [
    { readonly code: string; readonly detail: string; readonly data?: Record<string, unknown> },
  ];
}

export const CONSUMER = { project_id: "lab", user_id: "ci", type: "JOB" };

export function claimsOf({ client }: Pick<LocalStowage, "client">) {
  return (body: object, options: SendOptions = {}): Promise<Reply> =>
    client.post("/stowage/v1/claims", { consumer: CONSUMER, ...body }, options);
}

export function keyed(key: string): SendOptions {
  return { headers: { "idempotency-key": `"${key}"` } };
}

export function hostOf(reply: Reply): string {
  return Object.keys(reply.json<Claimed>().claims[0].allocations)[0]!;
}

export function errorOf(reply: Reply): Refused["errors"][0] {
  return reply.json<Refused>().errors[0];
}
