import { createHash } from "node:crypto";

import { ResourceClassNotFound, TraitNotFound } from "../../../domain/errors.ts";
import { canonicalUuid } from "../../../domain/uuid.ts";
import { listFleet, type FleetListing } from "../../../operations/fleet.ts";
import type { ProviderConditions } from "../../../operations/provider-listing.ts";
import { release } from "../../byte-writer.ts";
import { badRequest } from "../../http-error.ts";
import { PageTexts, type WriteProvider } from "../../page-texts.ts";
import { frameOfList, ProvidersWriter, type Frame } from "../../providers-writer.ts";
import { parseResources, readMemberOf, readRequiredTraits } from "../../queries/query-filters.ts";
import { checkLimitsOfGroups } from "../../query-limits.ts";
import type { ApiRequest } from "../../request.ts";
import { empty, type ApiResponse } from "../../response.ts";
import { answerInSlices } from "../../sliced-answer.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { FIELDS, ProviderRendering, type Fields } from "./rendering.ts";

const NDJSON = "application/x-ndjson";

/** All providers of one moment, or those asked for, in one answer. */
export async function showFleet(request: ApiRequest, position: string): Promise<ApiResponse> {
  const { service, context, signal } = request;
  const fields = readFields(request.query.get("fields"));
  const listing = await listFleet(service, context, readConditions(request));
  const etag = tagOf(listing, request);
  if (request.ifNoneMatch.includes(etag)) return empty(304, { etag });
  const isLines = request.accept.toLowerCase().includes(NDJSON);
  const texts = PageTexts.for(listing.providers, `fleet ${isLines} ${[...fields].join()}`);
  const rendering = new ProviderRendering(listing.providers, fields);
  const write: WriteProvider = (out, row) =>
    out.text((isLines ? "\n" : ",") + rendering.textOf(row));
  const frame = isLines ? linesAfter(position, listing.size) : listAfter(position);
  const body = await translatingErrors(
    answerInSlices(
      new ProvidersWriter(listing, texts, write, frame),
      { client: context.userId ?? "", signal },
      listing,
    ),
    [
      when(ResourceClassNotFound, ({ message }) => badRequest(`resources: ${message}`)),
      when(TraitNotFound, ({ message }) => badRequest(`required: ${message}`)),
    ],
  );
  const contentType = isLines ? NDJSON : "application/json";
  return { status: 200, body, etag, contentType, onSent: release };
}

function listAfter(position: string): Frame {
  return frameOfList(`{"position":${JSON.stringify(position)},"providers":`);
}

/** One in each line. */
function linesAfter(position: string, providers: number): Frame {
  const end = '\n{"end":true}\n';
  const begin = JSON.stringify({ position, providers });
  return { begin, opening: "\n", end, empty: end };
}

/** Of what is asked and in which form, besides the providers. */
function tagOf(fleet: FleetListing, { query, accept }: ApiRequest): string {
  const asked = JSON.stringify([query.pairs, accept]);
  const hash = createHash("sha256").update(asked).digest("base64url").slice(0, 22);
  return `"${fleet.tag}.${hash}"`;
}

/** As `GET /resource_providers` reads them, of which `tree` is called `in_tree` there. */
function readConditions(request: ApiRequest): ProviderConditions {
  const { query } = request;
  const [name, tree, resources] = ["name", "tree", "resources"].map((one) => query.get(one));
  const filter = {
    ...readMemberOf(request),
    ...readRequiredTraits(request),
    resources: resources === undefined ? new Map<string, number>() : parseResources(resources),
    inTree: tree === undefined ? undefined : canonicalUuid(tree),
  };
  checkLimitsOfGroups([filter]);
  const isFiltered = ["tree", "resources", "member_of", "required"].some((it) => query.has(it));
  return { name, filter: isFiltered ? filter : undefined };
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
