import { createHash } from "node:crypto";

import type { DatabaseContext } from "../db/change.ts";
import type { UuidSet } from "../domain/uuid-set.ts";
import { listConsumerPages, type HeldConsumer } from "./consumers.ts";
import type { Service } from "./service.ts";

/** Of which consumers it is to be told whether they live. */
export interface OrphanScope {
  /** Those that hold something of one of these; all where there are none. */
  readonly resourceClasses?: readonly string[];
  /** Those of these types, `null` for none. */
  readonly types: readonly (string | null)[];
  /** Those that hold something in the tree of this provider, by UUID. */
  readonly tree?: string;
  /** When who is alive was found out, less the age below which nobody is taken for dead. */
  readonly before: Date;
}

/** Consumers that belong to nobody, and what else is odd about what they hold. */
interface OrphanReport {
  /** Another one where somebody else is dead, or has changed. */
  readonly plan: string;
  readonly counts: Readonly<
    Record<"consumers" | "in_scope" | "alive" | "young" | "dead" | "doubled" | "missing", number>
  >;
  readonly dead: readonly HeldConsumer[];
  /** Alive, and in more than one tree: perhaps about to move from one to the other. */
  readonly doubled: readonly HeldConsumer[];
  /** Alive, and hold nothing in scope. */
  readonly missing: readonly string[];
  /** What the dead hold, by resource class. */
  readonly freed: ReadonlyMap<string, number>;
}

/** So many are told of each kind; the counts are of all. */
const MOST_TOLD = { dead: 10_000, doubled: 1000, missing: 1000 } as const;

/** Walks through all consumers, page by page, and looks for each of them among the living. */
export async function findOrphans(
  service: Service,
  context: () => DatabaseContext,
  alive: UuidSet,
  scope: OrphanScope,
): Promise<OrphanReport> {
  const counts = { consumers: 0, in_scope: 0, alive: 0, young: 0, dead: 0, doubled: 0 };
  const dead: HeldConsumer[] = [];
  const doubled: HeldConsumer[] = [];
  const freed = new Map<string, number>();
  const plan = createHash("sha256");
  const { tree } = scope;
  for await (const page of listConsumerPages(
    service,
    context,
    tree === undefined ? {} : { tree },
  )) {
    for (const consumer of page) {
      counts.consumers += 1;
      if (!isInScope(consumer, scope)) continue;
      counts.in_scope += 1;
      if (alive.mark(consumer.uuid)) {
        counts.alive += 1;
        if (consumer.trees.length < 2) continue;
        counts.doubled += 1;
        if (doubled.length < MOST_TOLD.doubled) doubled.push(consumer);
      } else if (isYoung(consumer, scope)) counts.young += 1;
      else {
        counts.dead += 1;
        plan.update(`${consumer.uuid} ${consumer.generation}\n`);
        addUp(consumer, freed);
        if (dead.length < MOST_TOLD.dead) dead.push(consumer);
      }
    }
  }
  const missing = listMissing(alive);
  return {
    plan: plan.digest("hex").slice(0, 8),
    counts: { ...counts, missing: alive.size - counts.alive },
    dead,
    doubled,
    missing,
    freed,
  };
}

function isInScope(
  { type, allocations }: HeldConsumer,
  { types, resourceClasses }: OrphanScope,
): boolean {
  if (!types.includes(type) || allocations.length === 0) return false;
  if (!resourceClasses) return true;
  return allocations.some(({ resources }) => resourceClasses.some((name) => resources.has(name)));
}

/** What was made or changed since may be of somebody who was not there yet when the living were counted. */
function isYoung({ createdAt, updatedAt }: HeldConsumer, { before }: OrphanScope): boolean {
  return [createdAt, updatedAt].some((date) => date !== null && date > before);
}

function addUp({ allocations }: HeldConsumer, sums: Map<string, number>): void {
  for (const { resources } of allocations) {
    for (const [name, amount] of resources) sums.set(name, (sums.get(name) ?? 0) + amount);
  }
}

function listMissing(alive: UuidSet): string[] {
  return [...alive.unmarked().take(MOST_TOLD.missing)];
}
