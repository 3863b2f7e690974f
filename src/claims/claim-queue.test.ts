import { mkdtemp, rm } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { defaultConfig } from "../config/config.ts";
import type { Claim } from "../domain/claim.ts";
import { ConsumerGenerationConflict, DatabaseUnavailable } from "../domain/errors.ts";
import { Effort, type RequestContext } from "../domain/request-context.ts";
import { claim } from "../operations/allocations.ts";
import { setInventories } from "../operations/inventories.ts";
import { openService } from "../operations/open-service.ts";
import { createProvider } from "../operations/resource-providers.ts";
import type { Service } from "../operations/service.ts";

const PROVIDER = "11111111-1111-4111-8111-111111111111";
const OTHER_PROVIDER = "22222222-2222-4222-8222-222222222222";
/** The amount at which the database fails, see `failHalfWay`. */
const UNLUCKY = 13;

let folder: string;
let service: Service;
let statements: string[];
/** Another process, as far as the database can tell. */
let outside: DatabaseSync;
/** Is called once, when the service has read what it needs to write. */
let beforeNextWrite: (() => void) | undefined;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "stowage-"));
  const file = path.join(folder, "placement.sqlite");
  // So many seconds a transaction waits for another process to release its lock.
  const connection = `sqlite:///${file}?timeout=1`;
  statements = [];
  service = await openService(defaultConfig({ placementDatabase: { connection } }), {
    mayMigrate: true,
    onStatement(text) {
      statements.push(text);
      if (text !== "begin immediate") return;
      const act = beforeNextWrite;
      beforeNextWrite = undefined;
      act?.();
    },
  });
  outside = new DatabaseSync(file);
  for (const provider of [PROVIDER, OTHER_PROVIDER]) {
    await createProvider(service, context(), provider, {
      name: provider,
      parentProviderUuid: undefined,
    });
    const inventory = { total: 100, reserved: 0, minUnit: 1, maxUnit: 100, stepSize: 1 };
    await setInventories(
      service,
      context(),
      provider,
      undefined,
      new Map([["VCPU", { ...inventory, allocationRatio: 1 }]]),
      { reservedCanBeTotal: true },
    );
  }
  statements.length = 0;
});

afterEach(async () => {
  outside.close();
  await service.close();
  await rm(folder, { recursive: true });
});

describe("a claim", () => {
  test("costs one commit on an idle server", async () => {
    await claim(service, take(1, 1));

    // What is read before does not wait for the disk.
    expect(statements.filter((text) => text === "begin immediate")).toHaveLength(1);
  });

  test("that the database fails half-way through leaves nothing behind", async () => {
    failHalfWay();
    const before = dump();

    await expect(claim(service, take(1, UNLUCKY))).rejects.toThrow("unlucky");

    expect(dump()).toEqual(before);
    expect(used()).toBe(0);
  });

  test("can be made again after it failed half-way", async () => {
    failHalfWay();
    await expect(claim(service, take(1, UNLUCKY))).rejects.toThrow("unlucky");
    await claim(service, take(1, 7, null));

    expect(held(1)).toEqual([{ used: 7 }]);
  });
});

describe("a claim of a consumer that is said to be new", () => {
  test("is written without looking for it first", async () => {
    await claim(service, take(1, 1, null));
    statements.length = 0;
    await claim(service, take(2, 1, null));

    expect(statements.filter((text) => text.startsWith("select"))).toEqual([]);
    expect(held(2)).toEqual([{ used: 1 }]);
  });

  test("is told that it is not, whatever else is wrong", async () => {
    await claim(service, take(1, 1, null));

    for (const amount of [1, 1000]) {
      await expect(claim(service, take(1, amount, null))).rejects.toThrow(
        ConsumerGenerationConflict,
      );
    }
    expect(held(1)).toEqual([{ used: 1 }]);
  });

  test("does not fail those that are written with it when it is not", async () => {
    await claim(service, take(1, 1, null));
    const outcomes = await Promise.allSettled(
      [1, 2, 3].map((consumer) => claim(service, take(consumer, 1, null))),
    );

    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
    expect(used()).toBe(3);
  });

  test("takes the place of allocations that have no consumer", async () => {
    outside
      .prepare(
        `INSERT INTO allocations (resource_provider_id, consumer_id, resource_class_id, used)
         SELECT id, ?, 0, 60 FROM resource_providers WHERE uuid = ?`,
      )
      .run(consumerUuid(1), PROVIDER);
    await claim(service, take(1, 90, null));

    expect(held(1)).toEqual([{ used: 90 }]);
  });
});

describe("claims that are written together", () => {
  test("are not failed by one that fails for a reason that nobody foresaw", async () => {
    failHalfWay();
    const amounts = [1, 2, UNLUCKY, 3, 4];

    const outcomes = await Promise.allSettled(
      amounts.map((amount, number) => claim(service, take(number, amount))),
    );

    expect(outcomes.map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
    expect(outside.prepare("SELECT sum(used) AS used FROM allocations").get()).toEqual({
      used: 10,
    });
    expect(outside.prepare("SELECT count(*) AS count FROM consumers").get()).toEqual({ count: 4 });
    expect(used()).toBe(10);
  });

  test("are acknowledged in the order in which they came, also those of one consumer", async () => {
    const acknowledged: number[] = [];
    await Promise.all(
      Array.from({ length: 250 }, async (_, number) => {
        await claim(service, take(number % 5, (number % 3) + 1, undefined));
        acknowledged.push(number);
      }),
    );

    expect(acknowledged).toEqual(Array.from({ length: 250 }, (_, number) => number));
    expect(held(4)).toEqual([{ used: (249 % 3) + 1 }]);
    expect(
      outside.prepare("SELECT DISTINCT generation FROM consumers").all(),
      "each of the fifty claims of a consumer has raised its generation",
    ).toEqual([{ generation: 50 }]);
  });

  test("are refused together when the database lets nobody write", async () => {
    outside.exec("BEGIN IMMEDIATE");
    const begun = performance.now();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, number) => claim(service, take(number, 1))),
    );
    const durationMs = performance.now() - begun;
    outside.exec("ROLLBACK");

    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ reason: expect.any(DatabaseUnavailable) });
    }
    // Each waits for a second; one after the other, they would for 30.
    expect(durationMs).toBeLessThan(25_000);
    await claim(service, take(1, 1));
  });
});

describe("while another process writes", () => {
  test("a claim is tried again with the new generation of its provider", async () => {
    touchMeanwhile(PROVIDER);
    await claim(service, take(1, 5));

    expect(held(1)).toEqual([{ used: 5 }]);
    expect(generationOf(PROVIDER)).toBe(3);
  });

  test("each claim of a batch is told that the batch was tried again", async () => {
    touchMeanwhile(PROVIDER);
    const claims = [take(1, 1), take(2, 1)];
    await Promise.all(claims.map((one) => claim(service, one)));

    expect(claims.map((one) => one.context.effort)).toMatchObject([
      { retries: 1, rollbacks: 1 },
      { retries: 1, rollbacks: 1 },
    ]);
  });

  test("a consumer can be moved away from a provider that has changed", async () => {
    await claim(service, take(1, 5));
    touchMeanwhile(PROVIDER);
    await claim(service, take(1, 5, 1, OTHER_PROVIDER));

    expect(held(1)).toEqual([{ used: 5 }]);
    expect(used()).toBe(0);
  });

  test("a consumer can be emptied although the provider that it leaves has changed", async () => {
    await claim(service, take(1, 5));
    touchMeanwhile(PROVIDER);
    await claim(service, release(1, 1));

    expect(held(1)).toEqual([]);
    expect(used()).toBe(0);
    expect(outside.prepare("SELECT count(*) AS count FROM consumers").get()).toEqual({ count: 0 });
  });
});

/** Makes the database refuse an amount when everything but the allocations is written already. */
function failHalfWay(): void {
  outside.exec(`
    CREATE TRIGGER unlucky BEFORE INSERT ON allocations WHEN NEW.used = ${UNLUCKY}
    BEGIN SELECT RAISE(ABORT, 'unlucky'); END
  `);
}

/** What is written before the service reads, it reads anew: this comes after that. */
function touchMeanwhile(provider: string): void {
  beforeNextWrite = () => {
    outside
      .prepare("UPDATE resource_providers SET generation = generation + 1 WHERE uuid = ?")
      .run(provider);
  };
}

function take(
  consumer: number,
  amount: number,
  generation?: number | null,
  providerUuid = PROVIDER,
): Claim {
  return claimOf(consumer, generation, [{ providerUuid, resources: new Map([["VCPU", amount]]) }]);
}

function release(consumer: number, generation: number): Claim {
  return claimOf(consumer, generation, []);
}

function claimOf(
  consumer: number,
  generation: number | null | undefined,
  allocations: Claim["consumers"][number]["allocations"],
): Claim {
  return {
    context: context(),
    consumers: [
      {
        consumerUuid: consumerUuid(consumer),
        projectId: "project",
        userId: "user",
        generation,
        consumerType: undefined,
        allocations,
      },
    ],
  };
}

function consumerUuid(number: number): string {
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
    effort: new Effort(),
  };
}

function held(consumer: number) {
  return outside
    .prepare("SELECT used FROM allocations WHERE consumer_id = ?")
    .all(consumerUuid(consumer));
}

function generationOf(provider: string): unknown {
  const row = outside
    .prepare("SELECT generation FROM resource_providers WHERE uuid = ?")
    .get(provider);
  return row?.["generation"];
}

/** What of the provider's VCPU is in use, as the tables have it. */
function used(): unknown {
  return outside
    .prepare(
      `SELECT coalesce(sum(a.used), 0) AS used FROM allocations AS a
       JOIN resource_providers AS rp ON rp.id = a.resource_provider_id WHERE rp.uuid = ?`,
    )
    .get(PROVIDER)?.["used"];
}

function dump(): unknown[] {
  return [
    "allocations",
    "consumers",
    "projects",
    "users",
    "resource_providers",
    "stowage_changes",
  ].map((table) => outside.prepare(`SELECT * FROM ${table}`).all());
}
