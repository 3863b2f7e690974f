import type { Claim } from "../../src/domain/claim.ts";
import type { RequestContext } from "../../src/domain/request-context.ts";
import { setInventories } from "../../src/operations/inventories.ts";
import { createProvider } from "../../src/operations/resource-providers.ts";
import type { Service } from "../../src/operations/service.ts";

/** Enough that two claims of a batch seldom meet on one. */
const PROVIDERS = 1000;
/** What every claim takes of a provider: of what a server has, a small part. */
const RESOURCES = { VCPU: 1, MEMORY_MB: 512, DISK_GB: 10 };
/** Nobody is to be refused. */
const TOTAL = 2_000_000_000;

let consumers = 0;

export async function makeFleet(service: Service): Promise<void> {
  const inventory = { total: TOTAL, reserved: 0, minUnit: 1, maxUnit: TOTAL, stepSize: 1 };
  const inventories = new Map(
    Object.keys(RESOURCES).map((name) => [name, { ...inventory, allocationRatio: 1 }]),
  );
  for (let number = 0; number < PROVIDERS; number += 1) {
    const uuid = providerUuid(number);
    await createProvider(service, CONTEXT, uuid, { name: uuid, parentProviderUuid: undefined });
    await setInventories(service, CONTEXT, uuid, 0, inventories, { reservedCanBeTotal: true });
  }
}

/** A claim of a new consumer on some provider, as an operation takes it. */
export function nextClaim(): Claim {
  const { consumer, provider } = next();
  return {
    context: CONTEXT,
    consumers: [
      {
        consumerUuid: consumer,
        projectId: "lab",
        userId: "ann",
        generation: null,
        consumerType: "INSTANCE",
        allocations: [{ providerUuid: provider, resources: new Map(Object.entries(RESOURCES)) }],
      },
    ],
  };
}

/** The same as a message of HTTP/1.1. */
export function nextMessage(host: string): string {
  const { consumer, provider } = next();
  const body = JSON.stringify({
    allocations: { [provider]: { resources: RESOURCES } },
    project_id: "lab",
    user_id: "ann",
    consumer_generation: null,
    consumer_type: "INSTANCE",
  });
  return (
    `PUT /allocations/${consumer} HTTP/1.1\r\nHost: ${host}\r\nX-Auth-Token: admin\r\n` +
    "OpenStack-API-Version: placement 1.39\r\nContent-Type: application/json\r\n" +
    `Content-Length: ${body.length}\r\n\r\n${body}`
  );
}

function next(): { readonly consumer: string; readonly provider: string } {
  consumers += 1;
  // Steps through the fleet so that neighbours in time are no neighbours in the table.
  const provider = providerUuid((consumers * 617) % PROVIDERS);
  return { consumer: `c0000000-0000-4000-8000-${digits(consumers)}`, provider };
}

export function providerUuid(number: number): string {
  return `a0000000-0000-4000-8000-${digits(number)}`;
}

function digits(number: number): string {
  return String(number).padStart(12, "0");
}

const CONTEXT: RequestContext = {
  requestId: `req-00000000-0000-4000-8000-000000000000`,
  globalRequestId: undefined,
  userId: "ann",
  projectId: "lab",
  roles: ["admin"],
  claimAttempts: 10,
};
