import { lastModified } from "../../last-modified.ts";
import { formatMicroversion, MAX_MICROVERSION, MIN_MICROVERSION } from "../../microversions.ts";
import type { ApiRequest } from "../../request.ts";
import { json, type ApiResponse } from "../../response.ts";

/** The version document: needs no token and no database, so it serves as a health check. */
export function getRoot(request: ApiRequest): ApiResponse {
  const version = {
    id: `v${formatMicroversion(MIN_MICROVERSION)}`,
    max_version: formatMicroversion(MAX_MICROVERSION),
    min_version: formatMicroversion(MIN_MICROVERSION),
    status: "CURRENT",
    links: [{ rel: "self", href: "" }],
  };
  return json(200, { versions: [version] }, lastModified(request));
}
