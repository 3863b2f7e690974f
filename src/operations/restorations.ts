import type { DatabaseContext } from "../db/change.ts";
import { listHistory, listReleased, type KeptRow } from "../db/history.ts";
import type { ConsumerDetails } from "../domain/change-details.ts";
import { ConsumerGenerationConflict, PlacementError } from "../domain/errors.ts";
import type { RequestContext } from "../domain/request-context.ts";
import { claim } from "./allocations.ts";
import { findHeldConsumer } from "./consumers.ts";
import { mergeTold, pageBefore } from "./history.ts";
import type { Service } from "./service.ts";

interface RestorationReport {
  readonly restored: number;
  readonly wouldRestore: number;
  /** UUIDs of consumers that something else has happened to since. */
  readonly changedSince: readonly string[];
  readonly failed: readonly { readonly consumerUuid: string; readonly reason: string }[];
  /** Whether more were released for the reason than are looked at: those longest ago. */
  readonly isMore: boolean;
}

/** The release of a consumer: all rows of the change. */
interface Released {
  readonly consumerUuid: string;
  readonly changeId: number;
  readonly rows: readonly KeptRow[];
}

type Outcome = "restored" | "would restore" | "changed" | { readonly reason: string };

/** As many are released in one call. */
const MOST_CONSUMERS = 10_000;
/** So many are under way at once: as many as are written in one transaction. */
const AT_ONCE = 100;

/**
 * Has consumers hold again what was taken from them for a reason, as far as it is still to be had: each by itself, and
 * only if nothing has happened to it since.
 *
 * @param context of each claim, whose time begins when it is asked for
 */
export async function restore(
  service: Service,
  context: () => RequestContext,
  reason: string,
  { isDryRun }: { readonly isDryRun: boolean },
): Promise<RestorationReport> {
  await service.history.catchUp(context());
  const { released, isMore } = await findReleased(service, context, reason);
  const outcomes: [string, Outcome][] = [];
  for (let start = 0; start < released.length; start += AT_ONCE) {
    const some = released.slice(start, start + AT_ONCE);
    const found = await Promise.all(
      some.map((one) => restoreOne(service, context(), one, isDryRun)),
    );
    some.forEach(({ consumerUuid }, at) => outcomes.push([consumerUuid, found[at]!]));
  }
  const having = (wanted: Outcome) =>
    outcomes.filter(([, outcome]) => outcome === wanted).map(([uuid]) => uuid);
  return {
    restored: having("restored").length,
    wouldRestore: having("would restore").length,
    changedSince: having("changed"),
    failed: outcomes.flatMap(([consumerUuid, outcome]) =>
      typeof outcome === "object" ? [{ consumerUuid, reason: outcome.reason }] : [],
    ),
    isMore,
  };
}

/** Of each consumer the last release for the reason. */
async function findReleased(
  service: Service,
  context: () => DatabaseContext,
  reason: string,
): Promise<{ readonly released: readonly Released[]; readonly isMore: boolean }> {
  const byConsumer = new Map<string, { changeId: number; rows: KeptRow[] }>();
  for (let page = pageBefore(undefined); ;) {
    const rows = await service.database.readOnce(context(), (tx) => listReleased(tx, reason, page));
    for (const row of rows) {
      const known = byConsumer.get(row.consumerUuid ?? "");
      if (known?.changeId === row.changeId) known.rows.push(row);
      else if (!known) {
        if (byConsumer.size === MOST_CONSUMERS)
          return { released: toList(byConsumer), isMore: true };
        byConsumer.set(row.consumerUuid ?? "", { changeId: row.changeId, rows: [row] });
      }
    }
    if (rows.length < page.limit) return { released: toList(byConsumer), isMore: false };
    page = pageBefore(rows.at(-1)!.id);
  }
}

function toList(
  byConsumer: ReadonlyMap<string, { readonly changeId: number; readonly rows: readonly KeptRow[] }>,
): Released[] {
  return Array.from(byConsumer, ([consumerUuid, found]) => ({ consumerUuid, ...found }));
}

async function restoreOne(
  service: Service,
  context: RequestContext,
  { consumerUuid, changeId, rows }: Released,
  isDryRun: boolean,
): Promise<Outcome> {
  const details = mergeTold(rows)?.details;
  if (details?.of !== "consumer" || !details.was || !details.now) {
    return { reason: "what it held is not told" };
  }
  const [last] = await service.database.readOnce(context, (tx) =>
    listHistory(tx, { consumerUuid }, { ...pageBefore(undefined), limit: 1 }),
  );
  if (last?.changeId !== changeId) return "changed";
  try {
    const held = await findHeldConsumer(service, context, consumerUuid);
    const generation = held?.generation ?? null;
    if (generation !== (details.generation ?? null)) return "changed";
    if (isDryRun) return "would restore";
    await claimAgain(service, context, consumerUuid, details, generation);
    return "restored";
  } catch (error) {
    if (error instanceof ConsumerGenerationConflict) return "changed";
    // What others hold again stays so: each is told of by itself.
    if (error instanceof PlacementError) return { reason: error.message };
    throw error;
  }
}

function claimAgain(
  service: Service,
  context: RequestContext,
  consumerUuid: string,
  { was = {}, projectId = "", userId = "", consumerType }: ConsumerDetails,
  generation: number | null,
): Promise<void> {
  const allocations = Object.entries(was).map(([providerUuid, amounts]) => ({
    providerUuid,
    resources: new Map(Object.entries(amounts)),
  }));
  const consumer = { consumerUuid, projectId, userId, consumerType, generation, allocations };
  return claim(service, { context, consumers: [consumer] });
}
