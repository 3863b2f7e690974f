import { listAllocationsOn } from "../db/allocations.ts";
import type { DatabaseContext } from "../db/change.ts";
import { InvalidSupposition } from "../domain/fit-errors.ts";
import type { HeldResources } from "../domain/fit.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { IndexReader } from "../index/reader.ts";
import { answerFit, type FitAnswer, type FitQuestion } from "../search/answer-fit.ts";
import type { Budget } from "../search/budget.ts";
import { findHosts } from "../search/find-hosts.ts";
import { OneAtATime } from "./one-at-a-time.ts";
import { searchInSlices } from "./search-in-slices.ts";
import type { Service } from "./service.ts";
import { turns } from "./turns.ts";

/** What one host may be drained of: more take too much memory in one piece. */
const MAX_DRAINED_ALLOCATIONS = 50_000;

/** A supposed fleet may be a copy of all that there is. */
const supposing = new OneAtATime();

interface FitRequest extends Omit<FitQuestion, "held"> {
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

type Context = DatabaseContext & Pick<RequestContext, "userId">;

/**
 * Counts how often requests fit into the fleet as it is, or as it is supposed to be, in slices.
 *
 * @throws UnknownNamesInFlavor, AggregateNotFound, InvalidSupposition, SearchEffortExceeded, TooManySearches
 */
export async function fit(
  service: Service,
  context: Context,
  request: FitRequest,
): Promise<FitAnswer> {
  if (request.suppositions.length === 0) return answer(service, context, request, new Map());
  return supposing.run(request.signal, async () => {
    const held = await findHeld(service, context, request);
    return answer(service, context, request, held);
  });
}

async function answer(
  service: Service,
  context: Context,
  request: FitRequest,
  held: FitQuestion["held"],
): Promise<FitAnswer> {
  const index = await service.freshIndex(context);
  if (!turns.canBegin()) await turns.waitToBegin(context.userId ?? "");
  return searchInSlices(index, termsOf(service, context, request), (budget) =>
    answerFit(index, index.time, { ...request, held }, budget),
  );
}

/** What consumers hold of the hosts that are to be drained. */
async function findHeld(
  service: Service,
  context: Context,
  { suppositions, signal }: FitRequest,
): Promise<FitQuestion["held"]> {
  const drains = suppositions.flatMap((it, number) =>
    it.kind === "drain" ? [{ number, host: it.provider }] : [],
  );
  const held = new Map<number, readonly HeldResources[]>();
  if (drains.length === 0) return held;
  const index = await service.freshIndex(context);
  if (!turns.canBegin()) await turns.waitToBegin(context.userId ?? "");
  const names = drains.map(({ host }) => host);
  const idsOfHosts = await searchInSlices(index, termsOf(service, context, { signal }), (budget) =>
    findTrees(index, index.time, names, budget),
  );
  for (const { number, host } of drains) {
    const ids = idsOfHosts.get(host) ?? [];
    held.set(number, await heldOf(service, context, ids, number));
  }
  return held;
}

/** Ids of all providers of the trees that some providers are in. */
function* findTrees(
  index: IndexReader,
  time: number,
  names: readonly string[],
  budget: Budget,
): Generator<void, Map<string, readonly number[]>> {
  const hosts = yield* findHosts(index, time, names, budget);
  return new Map(
    Array.from(hosts, ([name, { tree }]) => [
      name,
      index.trees.rows(tree).map((row) => index.idOf(row)),
    ]),
  );
}

async function heldOf(
  service: Service,
  context: Context,
  providerIds: readonly number[],
  number: number,
): Promise<HeldResources[]> {
  const found = await service.read(context, async (tx, index) => {
    const allocations = await listAllocationsOn(tx, providerIds, MAX_DRAINED_ALLOCATIONS + 1);
    return allocations.map((it) => ({
      ...it,
      resourceClass: index.resourceClasses.nameOf(it.resourceClassId),
    }));
  });
  if (found.length > MAX_DRAINED_ALLOCATIONS) {
    throw new InvalidSupposition(
      number,
      `That host has more than ${MAX_DRAINED_ALLOCATIONS} allocations: too many to move at once.`,
      true,
    );
  }
  const held = new Map<string, Map<string, number>>();
  for (const { consumerUuid, resourceClass, used } of found) {
    // Deleted at this moment; and nobody can ask for nothing.
    if (resourceClass === undefined || used <= 0) continue;
    const resources = held.get(consumerUuid) ?? new Map<string, number>();
    held.set(consumerUuid, resources);
    resources.set(resourceClass, (resources.get(resourceClass) ?? 0) + used);
  }
  return Array.from(held, ([consumerUuid, resources]) => ({ consumerUuid, resources }));
}

function termsOf({ config }: Service, { userId }: Context, { signal }: Pick<FitRequest, "signal">) {
  return { client: userId ?? "", maxEffort: config.stowage.maxSearchEffort, signal };
}
