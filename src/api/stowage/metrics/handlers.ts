import {
  EXPOSITION_TYPES,
  writeMetrics,
  type ExpositionFormat,
} from "../../../observability/metrics.ts";
import { withOsCapacityNames } from "../../../observability/os-capacity-names.ts";
import { viewFleet } from "../../../operations/fleet.ts";
import type { ApiRequest } from "../../request.ts";
import { empty, type ApiResponse } from "../../response.ts";
import { slicedText } from "../sliced-text.ts";
import { renewedContext } from "../renewed-context.ts";
import { headOfAllocations, writeAllocation, writeProviderSeries } from "./provider-series.ts";

export async function showMetrics(request: ApiRequest): Promise<ApiResponse> {
  const format = formatFor(request.accept);
  const metrics = await request.service.database.metrics.collectAll();
  const isOfOsCapacity = request.query.get("names") === "os-capacity";
  const text = await writeMetrics(isOfOsCapacity ? withOsCapacityNames(metrics) : metrics, format);
  return { status: 200, body: Buffer.from(text), contentType: EXPOSITION_TYPES[format] };
}

/** What each provider has, by the names of openstack-exporter. */
export async function showProviderMetrics(request: ApiRequest): Promise<ApiResponse> {
  const { service, signal, query } = request;
  const prefix = request.config.stowage.metricsPrefix;
  const hasAllocations = query.get("allocations") === "1";
  const fleet = await viewFleet(service, request.context);
  // Of consumers, the read model knows nothing.
  const etag = hasAllocations ? undefined : `"${fleet.tag}.${prefix}"`;
  if (etag !== undefined && request.ifNoneMatch.includes(etag)) {
    fleet.close();
    return empty(304, { etag });
  }
  const series = slicedText(
    writeProviderSeries(prefix, () => fleet.inventories()),
    {
      client: request.context.userId ?? "",
      signal,
      check: () => fleet.checkHold(),
      onEnd: () => fleet.close(),
    },
  );
  const allocations = async function* () {
    yield* series;
    yield Buffer.from(headOfAllocations(prefix));
    for await (const page of fleet.allocations(service, () => renewedContext(request))) {
      if (signal.aborted) return;
      yield Buffer.from(page.map((it) => writeAllocation(prefix, it)).join(""));
    }
  };
  return {
    status: 200,
    body: hasAllocations ? allocations() : series,
    contentType: EXPOSITION_TYPES.prometheus,
    ...(etag !== undefined && { etag }),
  };
}

/**
 * OpenMetrics for those who name it and want it at least as much as what there was before. Prometheus puts the
 * version into its header, by which the general rules would let nothing through.
 */
function formatFor(accept: string): ExpositionFormat {
  const qualities = new Map<string, number>();
  for (const range of accept.toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const quality = Number(parameters.find((it) => it.startsWith("q="))?.slice(2) ?? 1);
    qualities.set(type, Math.max(qualities.get(type) ?? 0, quality));
  }
  const openMetrics = qualities.get("application/openmetrics-text") ?? 0;
  const isWanted = openMetrics > 0 && openMetrics >= (qualities.get("text/plain") ?? 0);
  return isWanted ? "openmetrics" : "prometheus";
}
