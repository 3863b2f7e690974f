import { listProviders } from "../db/resource-providers.ts";
import { ConsumerGenerationConflict, ConsumerNotFound, PlacementError } from "../domain/errors.ts";
import type { RequestContext } from "../domain/request-context.ts";
import { canonicalUuid, normalizeUuid } from "../domain/uuid.ts";
import { claim } from "./allocations.ts";
import { findHeldConsumer, type HeldConsumer } from "./consumers.ts";
import type { Service } from "./service.ts";

/** What a consumer is to let go of. */
interface Release {
  readonly consumerUuid: string;
  /** That it had when somebody found that it may: if it has changed since, it is left alone. */
  readonly generation: number;
  /** What it holds of these alone, by UUID or name; all of it unless given. */
  readonly providers?: readonly string[];
}

interface ReleaseReport {
  readonly released: number;
  readonly wouldRelease: number;
  /** UUIDs of consumers. */
  readonly changedSince: readonly string[];
  readonly unknown: readonly string[];
  readonly failed: readonly { readonly consumerUuid: string; readonly reason: string }[];
}

type Outcome = "released" | "would release" | "changed" | "unknown" | { readonly reason: string };

/** So many are under way at once: as many as are written in one transaction. */
const AT_ONCE = 100;

/**
 * Lets consumers let go, each with a claim of its own, on condition that it is as it was found.
 *
 * @param context of each claim, whose time begins when it is asked for
 */
export async function release(
  service: Service,
  context: () => RequestContext,
  releases: readonly Release[],
  { isDryRun }: { readonly isDryRun: boolean },
): Promise<ReleaseReport> {
  const outcomes: [Release, Outcome][] = [];
  for (let start = 0; start < releases.length; start += AT_ONCE) {
    const some = releases.slice(start, start + AT_ONCE);
    const found = await Promise.all(
      some.map((one) => releaseOne(service, context(), one, isDryRun)),
    );
    some.forEach((one, at) => outcomes.push([one, found[at]!]));
  }
  const having = (wanted: Outcome) =>
    outcomes.filter(([, outcome]) => outcome === wanted).map(([{ consumerUuid }]) => consumerUuid);
  return {
    released: having("released").length,
    wouldRelease: having("would release").length,
    changedSince: having("changed"),
    unknown: having("unknown"),
    failed: outcomes.flatMap(([{ consumerUuid }, outcome]) =>
      typeof outcome === "object" ? [{ consumerUuid, reason: outcome.reason }] : [],
    ),
  };
}

async function releaseOne(
  service: Service,
  context: RequestContext,
  wanted: Release,
  isDryRun: boolean,
): Promise<Outcome> {
  try {
    const consumer = await findHeldConsumer(service, context, wanted.consumerUuid);
    if (!consumer) return "unknown";
    if (consumer.generation !== wanted.generation) return "changed";
    const named = wanted.providers && (await uuidsOf(service, context, wanted.providers));
    const rest = named
      ? consumer.allocations.filter(({ provider }) => !named.has(provider.uuid))
      : [];
    if (rest.length === consumer.allocations.length) return "unknown";
    if (rest.length > 0 && !consumer.isWhole) {
      return { reason: "it holds something of a provider or resource class that is not there" };
    }
    if (isDryRun) return "would release";
    await claimRest(service, context, consumer, rest);
    return "released";
  } catch (error) {
    if (error instanceof ConsumerNotFound) return "unknown";
    if (error instanceof ConsumerGenerationConflict) return "changed";
    // What others were told to let go of stays so: each is told of by itself.
    if (error instanceof PlacementError) return { reason: error.message };
    throw error;
  }
}

function claimRest(
  service: Service,
  context: RequestContext,
  consumer: HeldConsumer,
  rest: HeldConsumer["allocations"],
): Promise<void> {
  return claim(service, {
    context,
    consumers: [
      {
        consumerUuid: consumer.uuid,
        projectId: consumer.projectId ?? "",
        userId: consumer.userId ?? "",
        generation: consumer.generation,
        consumerType: undefined,
        allocations: rest.map(({ provider, resources }) => ({
          providerUuid: provider.uuid,
          resources,
        })),
      },
    ],
  });
}

async function uuidsOf(
  service: Service,
  context: RequestContext,
  providers: readonly string[],
): Promise<ReadonlySet<string>> {
  const uuids = new Set<string>();
  for (const provider of providers) {
    const uuid = normalizeUuid(provider);
    if (uuid !== undefined) uuids.add(uuid);
    else {
      const named = await service.database.reader(context, (tx) =>
        listProviders(tx, { name: provider, uuid: undefined }),
      );
      for (const one of named) uuids.add(canonicalUuid(one.uuid));
    }
  }
  return uuids;
}
