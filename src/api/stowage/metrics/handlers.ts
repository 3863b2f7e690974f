import {
  EXPOSITION_TYPES,
  writeMetrics,
  type ExpositionFormat,
} from "../../../observability/metrics.ts";
import type { ApiRequest } from "../../request.ts";
import type { ApiResponse } from "../../response.ts";

export async function showMetrics(request: ApiRequest): Promise<ApiResponse> {
  const format = formatFor(request.accept);
  const text = await writeMetrics(await request.service.database.metrics.collectAll(), format);
  return { status: 200, body: Buffer.from(text), contentType: EXPOSITION_TYPES[format] };
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
