import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { defaultConfig } from "../config/config.ts";
import type { Claim, ConsumerClaim } from "../domain/claim.ts";
import {
  ConsumerGenerationConflict,
  InvalidAllocationCapacityExceeded,
  type PlacementError,
} from "../domain/errors.ts";
import type { InventoryAmounts } from "../domain/inventory.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { claim, deleteAllocations, listConsumerAllocations } from "../operations/allocations.ts";
import { setInventories } from "../operations/inventories.ts";
import { loadProviderRecords } from "../db/provider-records.ts";
import { openService } from "../operations/open-service.ts";
import { createProvider } from "../operations/resource-providers.ts";
import type { Service } from "../operations/service.ts";

const PROVIDER = "11111111-1111-4111-8111-111111111111";
const OTHER_PROVIDER = "22222222-2222-4222-8222-222222222222";

let folder: string;
let service: Service;
let index: ProviderIndex;
let statements: string[];

beforeEach(async () => {
  statements = [];
  folder = await mkdtemp(join(tmpdir(), "stowage-"));
  const connection = `sqlite:///${join(folder, "placement.sqlite")}`;
  service = await openService(defaultConfig({ placementDatabase: { connection } }), {
    mayMigrate: true,
    onStatement: (text) => statements.push(text),
  });
  index = await service.freshIndex(context());
  await provide(PROVIDER, { VCPU: 10, MEMORY_MB: 1000 });
  await provide(OTHER_PROVIDER, { VCPU: 10 });
});

afterEach(async () => {
  await service.close();
  await rm(folder, { recursive: true, force: true });
});

describe("claims that arrive together", () => {
  test("get exactly the units that are there, and the rest are told which class is short", async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, number) =>
        claim(service, take(consumer(number), { VCPU: 1 })),
      ),
    );

    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
    expect(reasonsOf(outcomes)).toEqual(
      Array.from({ length: 30 }, () => expect.any(InvalidAllocationCapacityExceeded)),
    );
    expect(reasonsOf(outcomes)[0]).toHaveProperty("message", expect.stringContaining("'VCPU'"));
    await expect(usagesOf(PROVIDER)).resolves.toEqual({ VCPU: 10, MEMORY_MB: 0 });
  });

  test("share a commit", async () => {
    statements.length = 0;
    await Promise.all(
      Array.from({ length: 10 }, (_, number) =>
        claim(service, take(consumer(number), { VCPU: 1 })),
      ),
    );

    expect(statements.filter((text) => /^insert into "allocations"/i.test(text))).toHaveLength(1);
  });

  test("raise the generation of a provider once each", async () => {
    const before = index.get(PROVIDER)?.generation ?? Number.NaN;
    await Promise.all(
      Array.from({ length: 3 }, (_, number) => claim(service, take(consumer(number), { VCPU: 1 }))),
    );

    expect(index.get(PROVIDER)?.generation).toBe(before + 3);
  });

  test("of one new consumer: the first wins, the others learn that it exists", async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 5 }, () =>
        claim(service, take(consumer(1), { VCPU: 1 }, { generation: null })),
      ),
    );

    expect(outcomes.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
      "rejected",
      "rejected",
    ]);
    expect(reasonsOf(outcomes)[0]).toBeInstanceOf(ConsumerGenerationConflict);
    expect(await holdings(1)).toEqual([[PROVIDER, "VCPU", 1]]);
  });

  test("remove, make and remove a consumer in one go", async () => {
    await claim(service, take(consumer(1), { VCPU: 3 }));
    await Promise.all([
      deleteAllocations(service, context(), consumer(1)),
      claim(service, take(consumer(1), { VCPU: 4 }, { generation: null })),
      claim(service, release(consumer(1), { generation: 1 })),
    ]);

    expect(await holdings(1)).toEqual([]);
    expect(await countRows("consumers")).toBe(0);
    await expect(usagesOf(PROVIDER)).resolves.toEqual({ VCPU: 0, MEMORY_MB: 0 });
  });
});

describe("a claim", () => {
  test("that does not fit leaves no consumer behind", async () => {
    await expect(claim(service, take(consumer(1), { VCPU: 11 }))).rejects.toThrow(
      InvalidAllocationCapacityExceeded,
    );

    expect(await countRows("consumers")).toBe(0);
    expect(await countRows("allocations")).toBe(0);
  });

  test("that is refused says what was asked, what there is and what others hold", async () => {
    await claim(service, take(consumer(1), { VCPU: 8 }));

    const refusals = await Promise.allSettled([
      claim(service, take(consumer(2), { VCPU: 3 })),
      claim(service, take(consumer(2), { VCPU: 2_000_000 })),
      claim(service, take(consumer(2), { DISK_GB: 1 })),
      claim(service, take(consumer(1), { VCPU: 1 }, { generation: null })),
    ]);

    const vcpu = {
      provider: { uuid: PROVIDER, name: expect.any(String), generation: 2 },
      resourceClass: "VCPU",
      capacity: 10,
      used: 8,
      reserved: 0,
      minUnit: 1,
      maxUnit: 1_000_000,
      stepSize: 1,
    };
    expect(reasonsOf(refusals).map((error) => (error as PlacementError).refusal)).toEqual([
      { ...vcpu, reason: "out_of_capacity", requested: 3 },
      { ...vcpu, reason: "units", requested: 2_000_000 },
      { reason: "no_inventory", resourceClasses: ["DISK_GB"], providers: [PROVIDER] },
      { reason: "consumer_generation", consumer: consumer(1), given: null, actual: 1 },
    ]);
  });

  test("of several consumers swaps what they hold though both together would not fit", async () => {
    await claim(service, take(consumer(1), { VCPU: 8 }));
    await claim(service, {
      context: context(),
      consumers: [
        ...release(consumer(1), { generation: 1 }).consumers,
        ...take(consumer(2), { VCPU: 9 }, { generation: null }).consumers,
      ],
    });

    expect(await holdings(1)).toEqual([]);
    expect(await holdings(2)).toEqual([[PROVIDER, "VCPU", 9]]);
  });

  test("may stay on an inventory that shrank under it, and not grow", async () => {
    await claim(service, take(consumer(1), { VCPU: 8 }));
    await provide(PROVIDER, { VCPU: 4, MEMORY_MB: 1000 }, { exists: true });

    await claim(service, take(consumer(1), { VCPU: 8 }));
    await expect(claim(service, take(consumer(1), { VCPU: 9 }))).rejects.toThrow("exceed");
    expect(await holdings(1)).toEqual([[PROVIDER, "VCPU", 8]]);
  });

  test("moves a consumer from one provider to another", async () => {
    await claim(service, take(consumer(1), { VCPU: 8 }));
    await claim(service, take(consumer(1), { VCPU: 8 }, { provider: OTHER_PROVIDER }));

    expect(await holdings(1)).toEqual([[OTHER_PROVIDER, "VCPU", 8]]);
    await expect(usagesOf(PROVIDER)).resolves.toEqual({ VCPU: 0, MEMORY_MB: 0 });
    expect(usedInIndex(PROVIDER)).toEqual([0, 0]);
    expect(usedInIndex(OTHER_PROVIDER)).toEqual([8]);
  });

  test("of a consumer that holds nothing cannot be deleted", async () => {
    await expect(deleteAllocations(service, context(), consumer(1))).rejects.toThrow(
      `No allocations for consumer '${consumer(1)}'`,
    );
  });
});

describe("a reshape", () => {
  test("moves an inventory with what is allocated of it", async () => {
    await claim(service, take(consumer(1), { MEMORY_MB: 600 }));
    const from = index.get(PROVIDER)?.generation ?? 0;
    const to = index.get(OTHER_PROVIDER)?.generation ?? 0;

    await claim(service, {
      ...take(consumer(1), { MEMORY_MB: 600 }, { provider: OTHER_PROVIDER, generation: 1 }),
      inventories: [
        { providerUuid: PROVIDER, generation: from, inventories: amounts({ VCPU: 10 }) },
        {
          providerUuid: OTHER_PROVIDER,
          generation: to,
          inventories: amounts({ VCPU: 10, MEMORY_MB: 1000 }),
        },
      ],
    });

    expect(await holdings(1)).toEqual([[OTHER_PROVIDER, "MEMORY_MB", 600]]);
    await expect(usagesOf(PROVIDER)).resolves.toEqual({ VCPU: 0 });
    await expect(usagesOf(OTHER_PROVIDER)).resolves.toEqual({ VCPU: 0, MEMORY_MB: 600 });
  });

  test("that leaves allocations on a removed inventory changes nothing", async () => {
    await claim(service, take(consumer(1), { MEMORY_MB: 600 }));
    const generation = index.get(PROVIDER)?.generation ?? 0;

    await expect(
      claim(service, {
        context: context(),
        consumers: [],
        inventories: [{ providerUuid: PROVIDER, generation, inventories: amounts({ VCPU: 99 }) }],
      }),
    ).rejects.toThrow(`Inventory for 'MEMORY_MB' on resource provider '${PROVIDER}' in use.`);
    expect(index.get(PROVIDER)?.generation).toBe(generation);
  });
});

interface TakeOptions {
  readonly provider?: string;
  readonly generation?: number | null;
}

function take(
  consumerUuid: string,
  resources: Readonly<Record<string, number>>,
  { provider = PROVIDER, generation }: TakeOptions = {},
): Claim {
  return claimOf({
    consumerUuid,
    generation,
    allocations: [{ providerUuid: provider, resources: new Map(Object.entries(resources)) }],
  });
}

function release(consumerUuid: string, { generation }: TakeOptions = {}): Claim {
  return claimOf({ consumerUuid, generation, allocations: [] });
}

function claimOf(
  wanted: Pick<ConsumerClaim, "consumerUuid" | "generation" | "allocations">,
): Claim {
  return {
    context: context(),
    consumers: [{ ...wanted, projectId: "project", userId: "user", consumerType: undefined }],
  };
}

async function provide(
  uuid: string,
  totals: Readonly<Record<string, number>>,
  { exists = false } = {},
): Promise<void> {
  if (!exists) {
    await createProvider(service, context(), uuid, { name: uuid, parentProviderUuid: undefined });
  }
  await setInventories(service, context(), uuid, undefined, amounts(totals), {
    reservedCanBeTotal: true,
  });
}

function amounts(totals: Readonly<Record<string, number>>): Map<string, InventoryAmounts> {
  return new Map(
    Object.entries(totals).map(([name, total]) => [
      name,
      { total, reserved: 0, minUnit: 1, maxUnit: 1_000_000, stepSize: 1, allocationRatio: 1 },
    ]),
  );
}

function consumer(number: number): string {
  return `c0000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

function context(): RequestContext {
  return {
    requestId: "req-00000000-0000-4000-8000-000000000000",
    globalRequestId: undefined,
    userId: "user",
    projectId: "project",
    roles: ["admin"],
    claimAttempts: service.config.placement.allocationConflictRetryCount,
  };
}

async function holdings(number: number) {
  const { allocations, classNameOf } = await listConsumerAllocations(
    service,
    context(),
    consumer(number),
  );
  return allocations.map((item) => [item.uuid, classNameOf(item.resourceClassId), item.used]);
}

async function usagesOf(uuid: string) {
  const { id } = index.get(uuid)!;
  const [stored] = await service.database.reader(context(), (tx) => loadProviderRecords(tx, [id]));
  return Object.fromEntries(
    stored!.inventories.map(({ resourceClassId, used }) => [
      index.resourceClasses.getName(resourceClassId),
      used,
    ]),
  );
}

function usedInIndex(uuid: string) {
  return index.get(uuid)?.inventories.map(({ used }) => used);
}

function countRows(table: "consumers" | "allocations"): Promise<number> {
  return service.read(context(), async (tx) => {
    const rows = await tx.query.selectFrom(table).select("id").execute();
    return rows.length;
  });
}

function reasonsOf(outcomes: readonly PromiseSettledResult<void>[]): unknown[] {
  return outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
}
