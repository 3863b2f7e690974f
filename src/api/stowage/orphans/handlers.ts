import { ResourceProviderNotFound } from "../../../domain/errors.ts";
import { causeOfRelease } from "../../../domain/history.ts";
import type { UuidSet } from "../../../domain/uuid-set.ts";
import { findOrphans, type OrphanScope } from "../../../operations/orphans.ts";
import { release } from "../../../operations/releases.ts";
import { restore } from "../../../operations/restorations.ts";
import { bodySizesOf } from "../../body-sizes.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { badRequest, notFound } from "../../http-error.ts";
import type { ApiRequest } from "../../request.ts";
import { json, type ApiResponse } from "../../response.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { parseJson } from "../../validation/parse-json.ts";
import { defineSchema, readJson } from "../../validation/schema.ts";
import { renderConsumer } from "../consumers/rendering.ts";
import { readTime } from "../read-time.ts";
import { renewedContext } from "../renewed-context.ts";
import { setOfLines, setOfTexts } from "./living.ts";
import {
  MOST_IN_DOCUMENT,
  ORPHANS_BODY,
  ORPHANS_HEAD,
  RELEASES_BODY,
  RESTORATIONS_BODY,
} from "./schemas.ts";

interface Head {
  readonly alive_as_of: string;
  readonly scope?: {
    readonly resource_classes?: readonly string[];
    readonly types?: readonly (string | null)[];
    readonly tree?: string | null;
    readonly min_age_seconds?: number;
  };
}

interface ReleasesBody {
  readonly releases: readonly {
    readonly consumer: string;
    readonly generation: number;
    readonly providers?: readonly string[];
  }[];
  readonly dry_run?: boolean;
  readonly reason?: string;
}

interface RestorationsBody {
  readonly reason: string;
  readonly dry_run?: boolean;
}

const HEAD = defineSchema<Head>(ORPHANS_HEAD);
const BODY = defineSchema<Head & { readonly alive: readonly string[] }>(ORPHANS_BODY);
const RELEASES = defineSchema<ReleasesBody>(RELEASES_BODY);
const RESTORATIONS = defineSchema<RestorationsBody>(RESTORATIONS_BODY);

/** Nova sends no type; others do, and a type of somebody else's is not looked for among servers. */
const DEFAULT_TYPES = [null, "INSTANCE", "MIGRATION"];
const DEFAULT_MIN_AGE_S = 3600;
/** What was found out longer ago is not told apart from what has changed since. */
const MAX_AGE_MS = 24 * 3600 * 1000;
/** Clocks differ. */
const MAX_AHEAD_MS = 5000;

export async function reportOrphans(request: ApiRequest): Promise<ApiResponse> {
  const { head, alive } = await readLiving(request);
  const report = await translatingErrors(
    findOrphans(request.service, () => renewedContext(request), alive, scopeOf(head)),
    [when(ResourceProviderNotFound, ({ message }) => badRequest(message))],
  );
  const { plan, counts, dead, doubled, missing, freed } = report;
  return json(200, {
    plan,
    counts,
    dead: dead.map((consumer) => renderConsumer(consumer, true)),
    doubled: doubled.map((consumer) => ({
      ...renderConsumer(consumer, true),
      trees: consumer.trees.map(({ name }) => name),
    })),
    missing,
    freed: Object.fromEntries(freed),
  });
}

export async function releaseConsumers(request: ApiRequest): Promise<ApiResponse> {
  const { releases, dry_run: isDryRun = true, reason } = await readJson(request, RELEASES);
  const cause = causeOfRelease(reason);
  const wanted = releases.map(({ consumer, generation, providers }) => ({
    consumerUuid: consumer,
    generation,
    ...(providers && { providers }),
  }));
  const report = await release(
    request.service,
    () => ({ ...renewedContext(request), cause }),
    wanted,
    {
      isDryRun,
    },
  );
  return json(200, {
    released: report.released,
    would_release: report.wouldRelease,
    changed_since: report.changedSince,
    unknown: report.unknown,
    failed: report.failed.map(({ consumerUuid, reason: detail }) => ({
      consumer: consumerUuid,
      detail,
    })),
  });
}

/** The way back from a release, by its reason. */
export async function restoreConsumers(request: ApiRequest): Promise<ApiResponse> {
  const { reason, dry_run: isDryRun = true } = await readJson(request, RESTORATIONS);
  if (!request.service.config.stowage.history) {
    throw notFound("What was released is not known: [stowage] history is off.");
  }
  const cause = `POST /stowage/v1/restorations: ${reason}`;
  const context = () => ({ ...renewedContext(request), cause });
  const report = await restore(request.service, context, reason, { isDryRun });
  return json(200, {
    restored: report.restored,
    would_restore: report.wouldRestore,
    changed_since: report.changedSince,
    failed: report.failed.map(({ consumerUuid, reason: detail }) => ({
      consumer: consumerUuid,
      detail,
    })),
    is_more: report.isMore,
  });
}

async function readLiving(request: ApiRequest): Promise<{ head: Head; alive: UuidSet }> {
  const body = await request.readBody();
  if (request.contentType === "application/json") {
    if (body.length > bodySizesOf(request.config).small) {
      const detail = `More than ${MOST_IN_DOCUMENT} UUIDs are sent as application/x-ndjson.`;
      throw badRequest(detail, ERROR_CODES.tooLarge);
    }
    const { alive, ...head } = BODY.validate(parseJson(body));
    return { head, alive: setOfTexts(alive) };
  }
  const found = body.indexOf(0x0a);
  const end = found === -1 ? body.length : found;
  const head = HEAD.validate(parseJson(body.subarray(0, Math.min(end, MAX_HEAD))));
  return { head, alive: await setOfLines(body, end + 1, request.context.userId ?? "") };
}

const MAX_HEAD = 64 * 1024;

function scopeOf({ alive_as_of: text, scope = {} }: Head): OrphanScope {
  const aliveAsOf = readTime(text, "alive_as_of").getTime();
  const ageMs = Date.now() - aliveAsOf;
  if (ageMs < -MAX_AHEAD_MS) throw badRequest("alive_as_of is in the future.");
  if (ageMs > MAX_AGE_MS) throw badRequest("alive_as_of is longer ago than a day.");
  const { resource_classes: resourceClasses, types = DEFAULT_TYPES, tree } = scope;
  const minAgeMs = (scope.min_age_seconds ?? DEFAULT_MIN_AGE_S) * 1000;
  return {
    types,
    before: new Date(aliveAsOf - minAgeMs),
    ...(resourceClasses && { resourceClasses }),
    ...(typeof tree === "string" && { tree }),
  };
}
