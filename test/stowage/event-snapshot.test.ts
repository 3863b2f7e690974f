import { describe, expect, test } from "vitest";

import type { Holdings } from "../../src/domain/change-details.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import { SQLITE } from "../support/engines.ts";
import { EventStream, type Message } from "../support/event-stream.ts";
import { claimBody, consumerUuid, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { storedHoldings } from "../support/told-changes.ts";

const END = "CUSTOM_END";
const STEPS = 120;
const SNAPSHOTS = 6;

interface Inventory {
  readonly total: number;
  readonly capacity: number;
  readonly used: number;
}

/** A provider as a client keeps it that has read a snapshot and follows the events. */
interface Kept {
  name: string;
  generation: number;
  root: string;
  parent: string | null;
  inventories: Record<string, Inventory>;
  traits: string[];
  aggregates: string[];
}

type Fleet = Map<string, Kept>;

const byName = (left: string, right: string) => (left < right ? -1 : 1);

async function readSnapshot({ client }: LocalStowage): Promise<{ position: string; fleet: Fleet }> {
  const reply = await client.expectSuccess("GET", "/stowage/v1/providers");
  // eslint-disable-next-line typescript/no-explicit-any -- as the reference has it
  const { position, providers } = reply.json<any>();
  const fleet: Fleet = new Map();
  for (const provider of providers) {
    const inventories: Record<string, Inventory> = {};
    for (const [name, { total, capacity, used }] of Object.entries<Inventory>(
      provider.inventories,
    )) {
      inventories[name] = { total, capacity, used };
    }
    fleet.set(provider.uuid, {
      name: provider.name,
      generation: provider.generation,
      root: provider.root_provider_uuid,
      parent: provider.parent_provider_uuid,
      inventories,
      traits: provider.traits.toSorted(byName),
      aggregates: provider.aggregates.toSorted(byName),
    });
  }
  return { position, fleet };
}

function apply(fleet: Fleet, { event, data: { subject, data } }: Message): void {
  if (event === "provider_deleted") fleet.delete(subject!);
  // Nothing is known of one that is gone by now: that is told next.
  if (event !== "provider" || !data) return;
  const { name, generation, root, parent, usages, changed = {} } = data;
  const kept = fleet.get(subject!) ?? { inventories: {}, traits: [], aggregates: [] };
  const before: Record<string, Inventory> = kept.inventories;
  const inventories: Record<string, Inventory> = {};
  for (const [className, usage] of Object.entries<Inventory>(usages)) {
    const total = changed.inventories?.[className]?.[1]?.total ?? before[className]?.total;
    const { capacity, used } = usage;
    inventories[className] = { total, capacity, used };
  }
  fleet.set(subject!, {
    name,
    generation,
    root,
    parent,
    inventories,
    traits: changeSet(kept.traits, changed.traits),
    aggregates: changeSet(kept.aggregates, changed.aggregates),
  });
}

function changeSet(
  before: readonly string[],
  change: { added: readonly string[]; removed: readonly string[] } | undefined,
): string[] {
  const { added = [], removed = [] } = change ?? {};
  return [...new Set([...before, ...added])]
    .filter((name) => !removed.includes(name))
    .toSorted(byName);
}

describe.for([SQLITE, ...SERVER_ENGINES])(
  "a snapshot and the events after it on $name",
  (engine) => {
    test("are the tables, whenever the snapshot was taken", async () => {
      const place = await engine.createDatabase();
      const stowage = await startHere({ placementDatabase: { connection: place.connection } });
      try {
        const first = await readSnapshot(stowage);
        const followers = [follow(stowage, first)];
        const writing = writeAtRandom(stowage);
        for (let number = 0; number < SNAPSHOTS; number += 1) {
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
          followers.push(follow(stowage, await readSnapshot(stowage)));
        }
        await writing;
        await stowage.client.expectSuccess("PUT", `/traits/${END}`);
        const { fleet } = await readSnapshot(stowage);
        for (const follower of await Promise.all(followers)) {
          expect(follower.fleet).toEqual(fleet);
        }
        const { held } = await followers[0]!;
        expect(held).toEqual(await storedHoldings(stowage.service.database));
        expect(fleet.size).toBeGreaterThan(2);
      } finally {
        await stowage.stop();
        await place.remove();
      }
    });
  },
);

/** Keeps providers, and what consumers hold, until the end of all. */
async function follow(
  { client }: LocalStowage,
  { position, fleet }: { readonly position: string; readonly fleet: Fleet },
): Promise<{ fleet: Fleet; held: Map<string, Holdings> }> {
  const held = new Map<string, Holdings>();
  const stream = await EventStream.open(client.url, `after=${encodeURIComponent(position)}`);
  for (const message of await stream.takeUntil(({ data }) => data.subject === END)) {
    apply(fleet, message);
    if (!/^consumer(_deleted)?$/.test(message.event)) continue;
    const { now } = message.data.data;
    if (Object.keys(now).length > 0) held.set(message.data.subject!, now);
    else held.delete(message.data.subject!);
  }
  stream.close();
  return { fleet, held };
}

const roll = (sides: number) => Math.floor(Math.random() * sides);
const anyProvider = () => providerUuid(roll(5));

/** Several clients that change anything; what is refused is refused. */
async function writeAtRandom({ client }: LocalStowage): Promise<void> {
  const act = async (): Promise<void> => {
    const uuid = anyProvider();
    const path = `/resource_providers/${uuid}`;
    const { generation: resource_provider_generation = 0 } = (await client.get(path)).json<{
      generation?: number;
    }>();
    const traits = ["HW_CPU_X86_VMX", "HW_CPU_X86_SVM"].filter(() => roll(2));
    const aggregates = [providerUuid(90), providerUuid(91)].filter(() => roll(2));
    const inventories: Record<string, object> = { VCPU: { total: 10 + roll(30) } };
    if (roll(2)) inventories["DISK_GB"] = { total: 50, reserved: roll(9), allocation_ratio: 1.5 };
    const body = claimBody({ [uuid]: { VCPU: 1 + roll(3) } });
    const acts: (() => Promise<unknown>)[] = [
      () => client.post("/resource_providers", { uuid, name: `host ${uuid}` }),
      () => client.put(path, { name: `host ${roll(20)}`, parent_provider_uuid: null }),
      () => client.put(path, { name: `host ${uuid}`, parent_provider_uuid: anyProvider() }),
      () => client.put(`${path}/inventories`, { resource_provider_generation, inventories }),
      () => client.put(`${path}/traits`, { resource_provider_generation, traits }),
      () => client.put(`${path}/aggregates`, { resource_provider_generation, aggregates }),
      () => client.put(`/allocations/${consumerUuid(roll(4))}`, body),
      () => client.delete(`/allocations/${consumerUuid(roll(4))}`),
      // Of the others something is left in the end.
      () => client.delete(`/resource_providers/${providerUuid(roll(2))}`),
    ];
    await acts[roll(acts.length)]!();
  };
  const write = async () => {
    for (let step = 0; step < STEPS / 3; step += 1) await act();
  };
  for (let number = 0; number < 5; number += 1) {
    const uuid = providerUuid(number);
    await client.post("/resource_providers", { uuid, name: `host ${uuid}` });
  }
  await Promise.all([write(), write(), write()]);
}
