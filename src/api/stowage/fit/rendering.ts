import { type Drained, type Fit, PER_HOST } from "../../../domain/fit.ts";
import { Lazily } from "../../json-pieces.ts";

/** Where a request has one query and no name for it. */
export const UNNAMED = "request";

export function renderFits(
  {
    fits,
    drained,
  }: {
    readonly fits: ReadonlyMap<string, Fit>;
    readonly drained: ReadonlyMap<string, Drained>;
  },
  position: string,
): unknown {
  return {
    flavors: Lazily.object(fits, renderFit),
    ...(drained.size > 0 && { drained: Lazily.object(drained, renderDrained) }),
    position,
  };
}

function renderFit(fit: Fit): unknown {
  const { total, atMost, hostsWithRoom, ofHosts, ifEmpty, byAggregate } = fit;
  return {
    total,
    at_most: atMost,
    hosts_with_room: hostsWithRoom,
    of_hosts: ofHosts,
    if_empty: { total: ifEmpty.total, hosts_with_room: ifEmpty.hostsWithRoom },
    bounded_by: Object.fromEntries(fit.boundedBy),
    per_host: Object.fromEntries(PER_HOST.map(({ name }, range) => [name, fit.perHost[range]])),
    hosts: fit.hosts.map(({ root, count, boundedBy }) => ({ root, count, bounded_by: boundedBy })),
    ...(byAggregate.size > 0 && { by_aggregate: Object.fromEntries(byAggregate) }),
  };
}

function renderDrained({ consumers, moves, notPlaced }: Drained): unknown {
  return {
    consumers,
    placed: moves.length,
    not_placed: Lazily.list(notPlaced, ({ consumerUuid, resources }) => ({
      consumer_uuid: consumerUuid,
      resources: Object.fromEntries(resources),
    })),
    moves: Lazily.list(moves, ({ consumerUuid, to, allocations }) => ({
      consumer_uuid: consumerUuid,
      to,
      allocations: Object.fromEntries(
        Array.from(allocations, ([uuid, amounts]) => [
          uuid,
          { resources: Object.fromEntries(amounts) },
        ]),
      ),
    })),
    // Nobody knows which traits a consumer was asked for with.
    is_exact: false,
  };
}
