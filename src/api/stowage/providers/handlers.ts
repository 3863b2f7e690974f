import { createHash } from "node:crypto";

import { ResourceClassNotFound, TraitNotFound } from "../../../domain/errors.ts";
import { normalizeUuid } from "../../../domain/uuid.ts";
import {
  viewFleet,
  type Fleet,
  type FleetChoice,
  type FleetProvider,
} from "../../../operations/fleet.ts";
import { badRequest } from "../../http-error.ts";
import { parseResources, readMemberOf, readRequiredTraits } from "../../queries/query-filters.ts";
import { checkLimitsOfGroups } from "../../query-limits.ts";
import type { ApiRequest } from "../../request.ts";
import { empty, type ApiResponse } from "../../response.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { slicedText } from "../sliced-text.ts";
import { FIELDS, renderProvider, type Fields } from "./rendering.ts";

const NDJSON = "application/x-ndjson";

/** All providers of one moment, or those asked for, in one answer. */
export async function showFleet(request: ApiRequest, position: string): Promise<ApiResponse> {
  const fields = readFields(request.query.get("fields"));
  const fleet = await translatingErrors(
    viewFleet(request.service, request.context, readChoice(request)),
    [
      when(ResourceClassNotFound, ({ message }) => badRequest(`resources: ${message}`)),
      when(TraitNotFound, ({ message }) => badRequest(`required: ${message}`)),
    ],
  );
  const etag = tagOf(fleet, request);
  if (request.ifNoneMatch.includes(etag)) {
    fleet.close();
    return empty(304, { etag });
  }
  const isLines = request.accept.toLowerCase().includes(NDJSON);
  const lines = writeDocument({ position, size: fleet.size }, fleet.providers(), fields, isLines);
  const body = slicedText(lines, {
    client: request.context.userId ?? "",
    signal: request.signal,
    check: () => fleet.checkHold(),
    onEnd: () => fleet.close(),
  });
  return { status: 200, body, etag, contentType: isLines ? NDJSON : "application/json" };
}

/** Of what is asked and in which form, besides the providers. */
function tagOf(fleet: Fleet, { query, accept }: ApiRequest): string {
  const asked = JSON.stringify([query.pairs, accept]);
  const hash = createHash("sha256").update(asked).digest("base64url").slice(0, 22);
  return `"${fleet.tag}.${hash}"`;
}

/** As `GET /resource_providers` reads them, of which `tree` is called `in_tree` there. */
function readChoice(request: ApiRequest): FleetChoice {
  const { query } = request;
  const [name, tree, resources] = ["name", "tree", "resources"].map((one) => query.get(one));
  const filter = {
    ...readMemberOf(request),
    ...readRequiredTraits(request),
    resources: resources === undefined ? new Map<string, number>() : parseResources(resources),
    inTree: tree === undefined ? undefined : (normalizeUuid(tree) ?? tree),
  };
  checkLimitsOfGroups([filter]);
  return { filter, ...(name !== undefined && { name }) };
}

function* writeDocument(
  head: { readonly position: string; readonly size: number },
  providers: Iterable<FleetProvider | undefined>,
  fields: Fields,
  isLines: boolean,
): Generator<string> {
  const position = JSON.stringify(head.position);
  const [begin, between, end] = isLines
    ? [`{"position":${position},"providers":${head.size}}\n`, "\n", '{"end":true}\n']
    : [`{"position":${position},"providers":[`, "", "]}"];
  yield begin;
  let separator = "";
  for (const provider of providers) {
    yield provider ? separator + renderProvider(provider, fields) + between : "";
    if (provider && !isLines) separator = ",";
  }
  yield end;
}

function readFields(text: string | undefined): Fields {
  if (text === undefined) return new Set(FIELDS);
  const names = text.split(",");
  const unknown = names.find((name) => !FIELDS.some((field) => field === name));
  if (unknown !== undefined) {
    throw badRequest(
      `There is no field '${unknown.slice(0, 100)}'; there are ${FIELDS.join(", ")}.`,
    );
  }
  return new Set(FIELDS.filter((field) => names.includes(field)));
}
