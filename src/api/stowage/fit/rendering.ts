import { type Drained, type Fit, PER_HOST } from "../../../domain/fit.ts";

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
    flavors: render(fits, renderFit),
    ...(drained.size > 0 && { drained: render(drained, renderDrained) }),
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
    not_placed: notPlaced.map(({ consumerUuid, resources }) => ({
      consumer_uuid: consumerUuid,
      resources: Object.fromEntries(resources),
    })),
    moves: moves.map(({ consumerUuid, to, allocations }) => ({
      consumer_uuid: consumerUuid,
      to,
      allocations: render(allocations, (amounts) => ({ resources: Object.fromEntries(amounts) })),
    })),
    // Nobody knows which traits a consumer was asked for with.
    is_exact: false,
  };
}

function render<Value>(
  values: ReadonlyMap<string, Value>,
  renderOne: (value: Value) => unknown,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Array.from(values, ([key, value]) => [key, renderOne(value)]));
}
