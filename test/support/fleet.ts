import type { Client } from "./client.ts";

/** UUIDs that tell what they are of, and whose order is that of the numbers. */
export function providerUuid(number: number): string {
  return `a0000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

export function consumerUuid(number: number): string {
  return `c0000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

/** Makes a provider with inventories, and nothing else about it. */
export async function makeProvider(
  client: Client,
  uuid: string,
  totals: Readonly<Record<string, number>>,
): Promise<void> {
  await client.expectSuccess("POST", "/resource_providers", { body: { uuid, name: uuid } });
  await client.expectSuccess("PUT", `/resource_providers/${uuid}/inventories`, {
    body: {
      resource_provider_generation: 0,
      inventories: Object.fromEntries(
        Object.entries(totals).map(([resourceClass, total]) => [resourceClass, { total }]),
      ),
    },
  });
}

export interface ClaimOptions {
  readonly generation?: number | null;
  readonly project?: string;
  readonly user?: string;
}

/** The body of a PUT of a consumer's allocations in 1.39, amounts by provider and class. */
export function claimBody(
  allocations: Readonly<Record<string, Readonly<Record<string, number>>>>,
  { generation = null, project = "lab", user = "ann" }: ClaimOptions = {},
) {
  return {
    allocations: Object.fromEntries(
      Object.entries(allocations).map(([provider, resources]) => [provider, { resources }]),
    ),
    project_id: project,
    user_id: user,
    consumer_generation: generation,
    consumer_type: "INSTANCE",
  };
}

/** How many VCPU of a provider are in use according to the read model. */
export async function usedAccordingTo(
  client: Client,
  provider: string,
): Promise<number | undefined> {
  const answer = await client.expectSuccess(
    "GET",
    `/allocation_candidates?resources=VCPU:1&in_tree=${provider}`,
  );
  const { provider_summaries: summaries } = answer.json<{
    provider_summaries: Record<string, { resources: { VCPU: { used: number } } }>;
  }>();
  return summaries[provider]?.resources.VCPU.used;
}
