import type { Client } from "../support/client.ts";
import type { Holdings } from "./journal.ts";

/**
 * Compares what the service says of providers with what the tables hold.
 *
 * @returns where they differ
 */
export async function compareAnswers(
  client: Client,
  providers: readonly string[],
  holdings: ReadonlyMap<string, Holdings>,
): Promise<string[]> {
  const problems: string[] = [];
  const summaries = await readSummaries(client);
  for (const provider of providers) {
    const expected = { VCPU: 0, MEMORY_MB: 0 };
    for (const held of holdings.values()) {
      expected.VCPU += held[provider]?.["VCPU"] ?? 0;
      expected.MEMORY_MB += held[provider]?.["MEMORY_MB"] ?? 0;
    }
    const consumers = [...holdings].flatMap(([consumer, held]) => (held[provider] ? consumer : []));
    const told = {
      usages: await readUsages(client, provider),
      consumers: await readConsumers(client, provider),
      // One that is full is no candidate.
      summary: summaries[provider] ?? expected,
    };
    const wanted = { usages: expected, consumers: consumers.toSorted(), summary: expected };
    if (JSON.stringify(told) !== JSON.stringify(wanted)) {
      problems.push(`${provider}: ${JSON.stringify(told)}, not ${JSON.stringify(wanted)}`);
    }
  }
  return problems;
}

interface Amounts {
  readonly VCPU: number;
  readonly MEMORY_MB: number;
}

async function readUsages(client: Client, provider: string): Promise<Amounts> {
  const reply = await client.expectSuccess("GET", `/resource_providers/${provider}/usages`);
  const { VCPU, MEMORY_MB } = reply.json<{ usages: Amounts }>().usages;
  return { VCPU, MEMORY_MB };
}

async function readConsumers(client: Client, provider: string): Promise<string[]> {
  const reply = await client.expectSuccess("GET", `/resource_providers/${provider}/allocations`);
  return Object.keys(reply.json<{ allocations: object }>().allocations).toSorted();
}

/** What the candidate search knows to be in use. */
async function readSummaries(client: Client): Promise<Record<string, Amounts>> {
  const path = "/allocation_candidates?resources=VCPU:1,MEMORY_MB:1";
  const { provider_summaries: summaries } = (await client.expectSuccess("GET", path)).json<{
    provider_summaries: Record<
      string,
      { resources: Record<"VCPU" | "MEMORY_MB", { used: number }> }
    >;
  }>();
  return Object.fromEntries(
    Object.entries(summaries).map(([provider, { resources }]) => [
      provider,
      { VCPU: resources.VCPU.used, MEMORY_MB: resources.MEMORY_MB.used },
    ]),
  );
}
