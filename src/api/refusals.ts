import type { CandidateQuery } from "../domain/candidate-query.ts";
import type { ConsumerClaim } from "../domain/claim.ts";
import { PlacementError } from "../domain/errors.ts";
import { MAX_REFUSAL_BYTES } from "../domain/noted-refusal.ts";
import type { Refusal } from "../domain/refusal.ts";
import type { Explained } from "../operations/explaining.ts";
import type { FoundLater } from "../operations/refusal-log.ts";
import { renderExplained } from "./explained.ts";
import { formatMicroversion, type Microversion } from "./microversions.ts";
import { MAX_NAMED, renderFacts } from "./refusal-facts.ts";
import type { ApiRequest } from "./request.ts";

// Notes what requests do not get, as `GET /stowage/v1/refusals` tells it. What is kept must not hold the request
// itself, whose body may be large.

/** Of a longer query, so much is told. */
const MAX_QUERY = 4096;
/** Of a longer text of an error, and where that is too much with all the rest. */
const MAX_DETAIL = 1024;
const MAX_SHORT_DETAIL = 128;

/** A search has found nothing. */
export function noteEmptyAnswer(request: ApiRequest, query: CandidateQuery): void {
  const { service, microversion } = request;
  const common = commonFacts(request, "no_candidates");
  const text = cut(queryText(request.query.pairs), MAX_QUERY);
  service.refusals.note(
    {
      ...keysOf(common),
      reason: "not_explained",
      consumerUuid: undefined,
      projectId: common.project_id,
      write: emptyAnswerWriter(common, text, microversion),
    },
    service.emptyAnswers.explain(query),
  );
}

function emptyAnswerWriter(common: CommonFacts, text: string, microversion: Microversion) {
  return ({ explained }: FoundLater): string => {
    const versions: object[] = [{ query: text }];
    if (explained) {
      versions.unshift(
        ...[explained, ...shorterOf(explained)].map((it) => ({
          query: text,
          explanation: renderExplained(it, microversion),
        })),
      );
    }
    return firstThatFits(versions.map((more) => ({ ...common, ...more })));
  };
}

/**
 * If a claim is refused, for what is stored or because somebody was faster, that is noted.
 *
 * @param consumers what each is to hold; of several, the one is told that the refusal is about
 */
export function noteIfRefused(
  request: ApiRequest,
  consumers: readonly Pick<ConsumerClaim, "consumerUuid" | "allocations" | "projectId">[],
): void {
  const claiming = consumers.find(({ allocations }) => allocations.length > 0) ?? consumers[0];
  const consumerUuid = claiming?.consumerUuid;
  const projectId = claiming?.projectId;
  const uuids = consumers.slice(0, MAX_NAMED).map((consumer) => consumer.consumerUuid);
  request.whenRefused((refused) => {
    const refusal = refused.cause instanceof PlacementError ? refused.cause.refusal : undefined;
    if (refused.status !== 409 && refusal === undefined) return;
    const common = {
      ...commonFacts(request, "claim"),
      ...(projectId !== undefined && projectId !== "" && { project_id: projectId }),
    };
    const about = refusal?.reason === "consumer_generation" ? refusal.consumer : consumerUuid;
    request.service.refusals.note({
      ...keysOf(common),
      reason: refusal?.reason ?? "other",
      consumerUuid: about,
      projectId: common.project_id,
      ...changedIn(refusal),
      write: claimWriter(
        {
          ...common,
          status: refused.status,
          code: refused.code,
          consumer_uuid: about,
          ...(uuids.length > 1 && { consumers: uuids }),
          reason: refusal?.reason ?? "other",
        },
        cut(refused.detail, MAX_DETAIL),
        refusal ? renderFacts(refusal) : {},
      ),
    });
  });
}

function claimWriter(common: object, detail: string, facts: object) {
  return ({ changedBy }: FoundLater): string => {
    const changed = changedBy && {
      changed_by: {
        request_id: changedBy.requestId,
        user_id: changedBy.userId ?? null,
        at: changedBy.at,
      },
    };
    return firstThatFits([
      { ...common, detail, facts: { ...facts, ...changed } },
      { ...common, detail: cut(detail, MAX_SHORT_DETAIL), facts: {} },
    ]);
  };
}

/** When and by whose request, as it stands before all else. */
interface CommonFacts {
  readonly at: Date;
  readonly request_id: string;
  readonly global_request_id: string | undefined;
  readonly kind: "no_candidates" | "claim";
  readonly microversion: string;
  readonly user_id: string | undefined;
  readonly project_id: string | undefined;
}

function commonFacts({ context, microversion }: ApiRequest, kind: CommonFacts["kind"]) {
  return {
    at: new Date(),
    request_id: context.requestId,
    global_request_id: context.globalRequestId,
    kind,
    microversion: formatMicroversion(microversion),
    user_id: context.userId,
    project_id: context.projectId,
  };
}

function keysOf(common: CommonFacts) {
  const { at, kind, request_id: requestId, global_request_id: globalRequestId } = common;
  return { at, kind, requestId, globalRequestId };
}

/** The consumer or provider of which another generation was expected. */
function changedIn(refusal: Refusal | undefined): { readonly changed?: string } {
  if (refusal?.reason === "consumer_generation") return { changed: refusal.consumer };
  if (refusal?.reason === "provider_generation") return { changed: refusal.provider };
  return {};
}

/** The same with less and less in it. */
function shorterOf(explained: Explained): Explained[] {
  if ("unknownNames" in explained) {
    return [MAX_NAMED, 1].map((count) => ({
      unknownNames: explained.unknownNames.slice(0, count),
    }));
  }
  const { explanation } = explained;
  const { constraints, relaxations, nearest } = explanation;
  const failing = constraints
    .filter(({ failed, only }) => failed > 0 || only > 0)
    .toSorted((a, b) => b.failed - a.failed);
  const withoutLists = nearest.slice(0, 1).map(({ root, failures }) => ({
    root,
    failures: failures.map(({ constraint, failing: named, inventory }) => ({
      constraint,
      ...(named && { failing: named }),
      ...(inventory && { inventory }),
    })),
  }));
  return [
    { explanation: { ...explanation, nearest: withoutLists } },
    { explanation: { ...explanation, constraints: failing, nearest: withoutLists } },
    {
      explanation: {
        ...explanation,
        constraints: failing.slice(0, 3),
        relaxations: relaxations.slice(0, 1),
        nearest: [],
      },
    },
  ];
}

/** As JSON, with nothing in it that a database might have no character for. */
function firstThatFits(versions: readonly object[]): string {
  for (const version of versions) {
    const text = JSON.stringify(version).replace(
      /[\u007f-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
    if (text.length <= MAX_REFUSAL_BYTES) return text;
  }
  throw new Error("what is noted of a refusal does not fit in what there is for it");
}

/** A query string as it may be sent again; what need not be escaped stays legible. */
function queryText(pairs: readonly (readonly [name: string, value: string])[]): string {
  return pairs.map(([name, value]) => `${escape(name)}=${escape(value)}`).join("&");
}

function escape(text: string): string {
  return text.replace(/[^\w:,!.~-]+/gu, (part) => encodeURIComponent(part.toWellFormed()));
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}...` : text;
}
