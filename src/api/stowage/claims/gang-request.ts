import type { GangRule } from "../../../domain/gang.ts";
import { canonicalUuid } from "../../../domain/uuid.ts";
import type { GangRequest } from "../../../operations/gangs.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { badRequest, type HttpError } from "../../http-error.ts";
import type { ApiRequest } from "../../request.ts";
import { readIdempotencyKey } from "./idempotency-key.ts";
import { readQuery } from "./read-query.ts";
import {
  CLAIM_DEFAULTS,
  CLAIM_LIMITS,
  type ClaimBody,
  type MemberBody,
  type RuleBody,
} from "./schemas.ts";

/** @throws HttpError 400 for what contradicts itself, or is too much */
export function readGangRequest(request: ApiRequest, body: ClaimBody): GangRequest {
  const { gang, members: bodies = [], consumer } = body;
  if (gang === undefined || bodies.length === 0) {
    throw badRequest("A gang needs its name, in gang, and its members.");
  }
  if (body.query !== undefined) throw badRequest("The queries of a gang are those of its members.");
  if (consumer.uuid !== undefined || (consumer.generation ?? null) !== null) {
    throw badRequest("The consumers of a gang are new: their uuids are those of its members.");
  }
  if (body.among !== undefined)
    throw badRequest("among is not for gangs: all hosts are looked at.");
  const members = bodies.map((member) => readMember(request, member));
  const names = new Set(members.map(({ name }) => name));
  if (names.size < members.length) throw badRequest("Two members have the same name.");
  const uuids = members.flatMap((member) => member.uuids ?? []);
  if (new Set(uuids).size < uuids.length) throw badRequest("Two members have the same uuid.");
  if (members.reduce((sum, { count }) => sum + count, 0) > CLAIM_LIMITS.members) {
    throw tooLarge(`A gang has at most ${CLAIM_LIMITS.members} members.`);
  }
  const rules = (body.rules ?? []).map((rule) => readRule(rule, names));
  const choices = rules.reduce(
    (product, rule) => product * (rule.kind === "within one" ? rule.aggregates.length : 1),
    1,
  );
  if (choices > CLAIM_LIMITS.aggregates) {
    throw tooLarge(`within_one_of leaves more than ${CLAIM_LIMITS.aggregates} choices altogether.`);
  }
  return {
    gang,
    members,
    rules,
    prefer: body.prefer ?? CLAIM_DEFAULTS.prefer,
    notOn: body.not_on ?? [],
    consumer: { projectId: consumer.project_id, userId: consumer.user_id, type: consumer.type },
    attempts: body.attempts ?? CLAIM_DEFAULTS.attempts,
    leaseSeconds: body.lease?.seconds,
    isDryRun: body.dry_run ?? false,
    idempotency: readIdempotencyKey(request, body),
    signal: request.signal,
  };
}

function readMember(
  request: ApiRequest,
  { name, count = 1, query, uuids }: MemberBody,
): GangRequest["members"][number] {
  if (uuids && uuids.length !== count) {
    throw badRequest(`${name} is ${count}, and has ${uuids.length} uuids.`);
  }
  return {
    name,
    count,
    query: readQuery(request, query),
    uuids: uuids?.map(canonicalUuid),
  };
}

function readRule(
  { max_per_host: most, within_one_of: within, at_least_domains: least, of, members }: RuleBody,
  names: ReadonlySet<string>,
): GangRule {
  const about = members ?? [...names];
  const unknown = about.find((name) => !names.has(name));
  if (unknown !== undefined) throw badRequest(`A rule is about ${unknown}, which is no member.`);
  const given = [most, within, least].filter((value) => value !== undefined);
  if (given.length !== 1 || (least === undefined) !== (of === undefined)) {
    throw badRequest("A rule is one of max_per_host, within_one_of, and at_least_domains with of.");
  }
  const common = { members: new Set(about) };
  if (most !== undefined) return { ...common, kind: "max per host", most };
  if (within) return { ...common, kind: "within one", aggregates: within.map(canonicalUuid) };
  const aggregates = (of ?? []).map(canonicalUuid);
  if (least! > aggregates.length) {
    throw badRequest(`There are not ${least} aggregates in of.`);
  }
  return { ...common, kind: "at least", least: least!, aggregates };
}

function tooLarge(detail: string): HttpError {
  return badRequest(detail, ERROR_CODES.tooLarge);
}
