import type { CandidateQuery } from "../../../domain/candidate-query.ts";
import {
  AggregateNotFound,
  InvalidSupposition,
  UnknownNamesInFlavor,
} from "../../../domain/fit-errors.ts";
import type { FitTerms } from "../../../domain/fit.ts";
import { canonicalUuid, normalizeUuid } from "../../../domain/uuid.ts";
import { fit } from "../../../operations/fit.ts";
import { Pace } from "../../../scheduling/pace.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { describeUnknown } from "../../explained.ts";
import { badRequest } from "../../http-error.ts";
import { jsonPieces } from "../../json-pieces.ts";
import type { Microversion } from "../../microversions.ts";
import { readCandidateQuery } from "../../queries/candidate-query.ts";
import { querySchema } from "../../queries/candidate-query-schema.ts";
import { parseQuery } from "../../queries/query-string.ts";
import type { ApiRequest, VersionedQuery } from "../../request.ts";
import type { ApiResponse } from "../../response.ts";
import { answerText } from "../../text-writer.ts";
import { type ErrorRule, translatingErrors, when } from "../../translate-errors.ts";
import { defineSchema, readJson, validateQuery } from "../../validation/schema.ts";
import { checkCandidatesMicroversion, readMicroversion } from "../query-microversion.ts";
import { at } from "./places.ts";
import { renderFits, UNNAMED } from "./rendering.ts";
import { DEFAULT_HOSTS, FIT_BODY, FIT_LIMITS, type FitBody } from "./schemas.ts";
import { placeOf, readSuppositions } from "./suppositions.ts";

const bodySchema = defineSchema<FitBody>(FIT_BODY);

export function fitByQuery(request: ApiRequest, position: string): Promise<ApiResponse> {
  const query = readQuery(request);
  return answer(request, position, { queries: new Map([[UNNAMED, query]]), body: {} });
}

export async function fitByBody(request: ApiRequest, position: string): Promise<ApiResponse> {
  const body = await readJson(request, bodySchema);
  const microversion =
    body.microversion === undefined ? request.microversion : readMicroversion(body.microversion);
  const { flavors = {}, suppose = [] } = body;
  checkCount("flavors", Object.keys(flavors).length);
  checkCount("suppositions", suppose.length);
  if (body.flavors === undefined && !suppose.some(({ drain }) => drain !== undefined)) {
    throw badRequest("Say what is to fit, in 'flavors', or which host is to be drained.");
  }
  const queries = await readFlavors(flavors, microversion);
  return answer(request, position, { queries, body });
}

/** As many as there may be take some milliseconds to read. */
async function readFlavors(
  flavors: Readonly<Record<string, string>>,
  microversion: Microversion,
): Promise<Map<string, CandidateQuery>> {
  const pace = new Pace(Infinity);
  const queries = new Map<string, CandidateQuery>();
  for (const [name, text] of Object.entries(flavors)) {
    queries.set(
      name,
      at(`flavors.${name}`, () => readQueryText(text, microversion)),
    );
    await pace.rest();
  }
  return queries;
}

function checkCount(what: "flavors" | "suppositions", count: number): void {
  const most = FIT_LIMITS[what];
  if (count <= most) return;
  const problem = `There may be at most ${most} ${what}. Got: ${count}.`;
  throw badRequest(problem, ERROR_CODES.tooLarge);
}

async function answer(
  request: ApiRequest,
  position: string,
  asked: { readonly queries: ReadonlyMap<string, CandidateQuery>; readonly body: FitBody },
): Promise<ApiResponse> {
  const { service, context, signal } = request;
  const { queries: flavors, body } = asked;
  const suppositions = readSuppositions(body.suppose ?? []);
  const terms = termsOf(body);
  const answered = await translatingErrors(
    fit(service, context, { flavors, terms, suppositions, signal }),
    rulesFor(body),
  );
  return answerText(request, jsonPieces(renderFits(answered, position)));
}

function rulesFor({ by_aggregate: told = [] }: FitBody): ErrorRule[] {
  return [
    when(UnknownNamesInFlavor, ({ flavor, names }) => {
      const place = flavor === UNNAMED ? "" : `flavors.${flavor}: `;
      return badRequest(place + names.map(describeUnknown).join(" "));
    }),
    when(AggregateNotFound, ({ message, uuid }) => {
      const isTold = told.some((it) => normalizeUuid(it) === uuid);
      return badRequest(`${isTold ? "by_aggregate" : "spread.max_per_aggregate"}: ${message}`);
    }),
    when(InvalidSupposition, ({ message, number, isTooLarge }) =>
      badRequest(`${placeOf(number)}: ${message}`, isTooLarge ? ERROR_CODES.tooLarge : undefined),
    ),
  ];
}

function termsOf({ spread = {}, hosts, by_aggregate: byAggregate = [] }: FitBody): FitTerms {
  const { max_per_host: maxPerHost = Infinity, max_per_aggregate: limited } = spread;
  return {
    maxPerHost,
    maxPerAggregate: {
      aggregates: (limited?.aggregates ?? []).map(canonicalUuid),
      max: limited?.max ?? Infinity,
    },
    byAggregate: byAggregate.map(canonicalUuid),
    hosts: hosts ?? DEFAULT_HOSTS,
  };
}

function readQueryText(text: string, microversion: Microversion): CandidateQuery {
  return readQuery({ query: parseQuery(text.replace(/^[^=]*\?/, "")), microversion });
}

function readQuery(asked: VersionedQuery): CandidateQuery {
  checkCandidatesMicroversion(asked);
  validateQuery(querySchema(asked), asked.query);
  return readCandidateQuery(asked);
}
