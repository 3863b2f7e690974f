import type { ApiRequest } from "../request.ts";
import type { RouteTable } from "../route.ts";
import { listConsumers, showConsumer } from "./consumers/handlers.ts";
import { deleteLease, showLease, updateLease } from "./consumers/leases.ts";
import { CONSUMERS, CONSUMERS_QUERY, GRANTED_CONSUMER } from "./consumers/schemas.ts";
import { describedRoute } from "./described-route.ts";
import { tellEvents } from "./events/handlers.ts";
import { EVENT_STREAM, EVENTS, EVENTS_QUERY } from "./events/schemas.ts";
import { createClaim, deleteGang } from "./claims/handlers.ts";
import { BODY as BODY_OF_CLAIM, CLAIMED, LEASE, LEASE_BODY } from "./claims/schemas.ts";
import { explainByBody, explainByQuery } from "./explain/handlers.ts";
import { CANDIDATE_QUERY } from "./candidate-query.ts";
import { BODY, EXPLANATION } from "./explain/schemas.ts";
import { fitByBody, fitByQuery } from "./fit/handlers.ts";
import { FIT_BODY, FITS } from "./fit/schemas.ts";
import { getLiveness, getReadiness } from "./health/handlers.ts";
import { ALIVE, ANY_QUERY, READINESS } from "./health/schemas.ts";
import { showMetrics, showProviderMetrics } from "./metrics/handlers.ts";
import { tellConsumerHistory, tellProviderHistory } from "./history/handlers.ts";
import {
  CONSUMER_HISTORY,
  CONSUMER_HISTORY_QUERY,
  PROVIDER_HISTORY,
  PROVIDER_HISTORY_QUERY,
} from "./history/schemas.ts";
import { releaseConsumers, reportOrphans, restoreConsumers } from "./orphans/handlers.ts";
import {
  ORPHANS,
  ORPHANS_BODY,
  RELEASES,
  RELEASES_BODY,
  RESTORATIONS,
  RESTORATIONS_BODY,
} from "./orphans/schemas.ts";
import { showFleet } from "./providers/handlers.ts";
import { FLEET, FLEET_LINE, FLEET_QUERY } from "./providers/schemas.ts";
import { listRefusals } from "./refusals/handlers.ts";
import { REFUSALS, REFUSALS_QUERY } from "./refusals/schemas.ts";
import { describeService } from "./root/handlers.ts";
import { SERVICE } from "./root/schemas.ts";

const TEXT = { type: "string" };

/**
 * Every path and method that Placement does not have. `/stowage/v1` changes by addition only: answers may
 * gain members.
 */
export const STOWAGE_ROUTES: RouteTable = {
  "/stowage/v1": {
    GET: describedRoute({
      summary: "What this service is, what it can do, and how much may be asked of it.",
      guard: undefined,
      answers: { 200: { "application/json": SERVICE } },
      handler: (request, position) =>
        describeService(request, { capabilities: capabilities(request), position }),
    }),
  },
  "/stowage/v1/explain": {
    GET: describedRoute({
      summary: "Why a query for allocation candidates finds what it finds, and what would help.",
      guard: "stowage:explain",
      query: CANDIDATE_QUERY,
      answers: { 200: { "application/json": EXPLANATION } },
      handler: explainByQuery,
    }),
    POST: describedRoute({
      summary: "The same for long queries, and with options.",
      guard: "stowage:explain",
      body: BODY,
      answers: { 200: { "application/json": EXPLANATION } },
      handler: explainByBody,
    }),
  },
  "/stowage/v1/refusals": {
    GET: describedRoute({
      summary: "What requests did not get, and why: queries that nothing met, and refused claims.",
      guard: "stowage:refusals",
      query: REFUSALS_QUERY,
      answers: { 200: { "application/json": REFUSALS } },
      handler: listRefusals,
    }),
  },
  "/stowage/v1/events": {
    GET: describedRoute({
      summary:
        "What changes, from a position on: a stream, or one answer as soon as there is something.",
      guard: "stowage:events",
      query: EVENTS_QUERY,
      answers: { 200: { "application/json": EVENTS, "text/event-stream": EVENT_STREAM } },
      handler: tellEvents,
    }),
  },
  "/stowage/v1/fit": {
    GET: describedRoute({
      summary: "How often a query for allocation candidates fits, now and if nothing were claimed.",
      guard: "stowage:fit",
      query: CANDIDATE_QUERY,
      answers: { 200: { "application/json": FITS } },
      handler: fitByQuery,
    }),
    POST: describedRoute({
      summary: "The same for several queries, within limits, and in a fleet that is supposed.",
      guard: "stowage:fit",
      body: FIT_BODY,
      answers: { 200: { "application/json": FITS } },
      handler: fitByBody,
    }),
  },
  "/stowage/v1/claims": {
    POST: describedRoute({
      summary: "Claims the best of the candidates of a query that can still be had, or a gang.",
      guard: "stowage:claims:create",
      body: BODY_OF_CLAIM,
      answers: { 200: { "application/json": CLAIMED }, 201: { "application/json": CLAIMED } },
      handler: createClaim,
    }),
  },
  "/stowage/v1/claims/{gang}": {
    DELETE: describedRoute({
      summary: "Releases all members of a gang.",
      guard: "stowage:claims:delete",
      answers: { 204: {} },
      handler: deleteGang,
    }),
  },
  "/healthz": {
    GET: describedRoute({
      summary: "Whether the process serves, whatever has become of the database.",
      isPublic: true,
      guard: undefined,
      query: ANY_QUERY,
      answers: { 200: { "application/json": ALIVE } },
      handler: getLiveness,
    }),
  },
  "/readyz": {
    GET: describedRoute({
      summary: "Whether requests can be answered.",
      isPublic: true,
      guard: undefined,
      query: ANY_QUERY,
      answers: { 200: { "application/json": READINESS }, 503: { "application/json": READINESS } },
      handler: getReadiness,
    }),
  },
  "/stowage/v1/providers": {
    GET: describedRoute({
      summary: "All resource providers with all that they have, at one moment.",
      guard: "stowage:providers:list",
      query: FLEET_QUERY,
      answers: { 200: { "application/json": FLEET, "application/x-ndjson": FLEET_LINE } },
      handler: showFleet,
    }),
  },
  "/stowage/v1/consumers": {
    GET: describedRoute({
      summary: "Consumers with all that they hold, page by page, of a project or of all.",
      guard: undefined,
      query: CONSUMERS_QUERY,
      answers: { 200: { "application/json": CONSUMERS } },
      authorize: (request) =>
        request.authorize("stowage:consumers:list", { projectId: request.query.get("project_id") }),
      handler: listConsumers,
    }),
  },
  "/stowage/v1/consumers/{uuid}": {
    GET: describedRoute({
      summary: "What one consumer holds.",
      guard: undefined,
      answers: { 200: { "application/json": GRANTED_CONSUMER } },
      handler: showConsumer,
    }),
  },
  "/stowage/v1/consumers/{uuid}/lease": {
    GET: describedRoute({
      summary: "How long a consumer holds what it holds, unless that is renewed.",
      guard: undefined,
      answers: { 200: { "application/json": LEASE } },
      handler: showLease,
    }),
    PUT: describedRoute({
      summary: "Renews the lease of a consumer, and of its gang.",
      guard: "stowage:leases:update",
      body: LEASE_BODY,
      answers: { 200: { "application/json": LEASE } },
      handler: updateLease,
    }),
    DELETE: describedRoute({
      summary: "Has a consumer, and its gang, hold for good what was granted for a time.",
      guard: "stowage:leases:update",
      answers: { 204: {} },
      handler: deleteLease,
    }),
  },
  "/stowage/v1/consumers/{uuid}/history": {
    GET: describedRoute({
      summary: "What happened to a consumer, who asked for it, and what it held at some time.",
      guard: undefined,
      query: CONSUMER_HISTORY_QUERY,
      answers: { 200: { "application/json": CONSUMER_HISTORY } },
      authorize: () => {},
      handler: tellConsumerHistory,
    }),
  },
  "/stowage/v1/providers/{uuid}/history": {
    GET: describedRoute({
      summary: "What happened to a resource provider, and who held what of it at some time.",
      guard: "stowage:providers:history",
      query: PROVIDER_HISTORY_QUERY,
      answers: { 200: { "application/json": PROVIDER_HISTORY } },
      handler: tellProviderHistory,
    }),
  },
  "/stowage/v1/orphans": {
    POST: describedRoute({
      summary: "Consumers that are not among the living, and what they hold.",
      guard: "stowage:orphans",
      body: ORPHANS_BODY,
      consumes: ["application/json", "application/x-ndjson"],
      takesMuch: true,
      answers: { 200: { "application/json": ORPHANS } },
      handler: reportOrphans,
    }),
  },
  "/stowage/v1/releases": {
    POST: describedRoute({
      summary: "Let consumers go of what they hold, if they are as they were found.",
      guard: "stowage:releases",
      body: RELEASES_BODY,
      takesMuch: true,
      answers: { 200: { "application/json": RELEASES } },
      handler: releaseConsumers,
    }),
  },
  "/stowage/v1/restorations": {
    POST: describedRoute({
      summary: "Have consumers hold again what they were let go of for a reason.",
      guard: "stowage:restorations",
      body: RESTORATIONS_BODY,
      answers: { 200: { "application/json": RESTORATIONS } },
      handler: restoreConsumers,
    }),
  },
  "/metrics": {
    GET: describedRoute({
      summary: "What the service counts and measures, in Prometheus' terms.",
      guard: "stowage:metrics",
      query: {
        type: "object",
        properties: {
          names: {
            enum: ["os-capacity"],
            description: "Tell how often flavors fit by the name that os-capacity has for it, too.",
          },
        },
        additionalProperties: false,
      },
      answers: { 200: { "text/plain": TEXT, "application/openmetrics-text": TEXT } },
      takesAnyAccept: true,
      hasPosition: false,
      handler: showMetrics,
    }),
  },
  "/metrics/providers": {
    GET: describedRoute({
      summary:
        "What resource providers have and what of it is in use, as openstack-exporter tells it.",
      guard: "stowage:metrics",
      query: {
        type: "object",
        properties: {
          allocations: {
            enum: ["0", "1"],
            description: "Whether to tell what each consumer holds, too.",
          },
        },
        additionalProperties: false,
      },
      answers: { 200: { "text/plain": TEXT } },
      takesAnyAccept: true,
      handler: showProviderMetrics,
    }),
  },
};

/** What takes one. */
const OF_HISTORY = /\.history$|^restorations$/;

/** What there is, by the paths that lead to it: `explain`, `providers`, `providers.history`. */
function capabilities({ service }: ApiRequest): string[] {
  const { history } = service.config.stowage;
  const names = Object.keys(STOWAGE_ROUTES).map((path) =>
    path
      .replace(/^\/(stowage\/v1\/?)?/, "")
      .split("/")
      .filter((segment) => !segment.startsWith("{"))
      .join("."),
  );
  return [...new Set(names)]
    .filter((name) => name !== "" && (history || !OF_HISTORY.test(name)))
    .toSorted();
}
