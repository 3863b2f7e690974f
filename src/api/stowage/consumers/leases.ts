import { ConcurrentUpdateDetected } from "../../../domain/errors.ts";
import { LeaseLost, LeaseNotFound } from "../../../domain/lease.ts";
import { findHeldConsumer } from "../../../operations/consumers.ts";
import { getLease, keepForGood, renewLease } from "../../../operations/leases.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { conflict, HttpError, notFound } from "../../http-error.ts";
import type { ApiRequest } from "../../request.ts";
import { empty, json, type ApiResponse } from "../../response.ts";
import { translatingErrors, when, type ErrorRule } from "../../translate-errors.ts";
import { defineSchema, readJson } from "../../validation/schema.ts";
import { renderLease } from "../claims/rendering.ts";
import { LEASE_BODY, type LeaseBody } from "../claims/schemas.ts";

const bodySchema = defineSchema<LeaseBody>(LEASE_BODY);

export async function showLease(request: ApiRequest): Promise<ApiResponse> {
  const { service, context, parameters } = request;
  const { uuid = "" } = parameters;
  const found = await findHeldConsumer(service, context, uuid);
  request.authorize("stowage:consumers:show", { projectId: found?.projectId ?? undefined });
  return json(200, renderLease(await told(request, getLease(service, context, uuid))));
}

export async function updateLease(request: ApiRequest): Promise<ApiResponse> {
  const { service, context, parameters } = request;
  const { seconds } = await readJson(request, bodySchema);
  const renewal = renewLease(service, context, parameters["uuid"] ?? "", seconds);
  return json(200, renderLease(await told(request, renewal, "renewed")));
}

export async function deleteLease(request: ApiRequest): Promise<ApiResponse> {
  const { service, context, parameters } = request;
  await told(request, keepForGood(service, context, parameters["uuid"] ?? ""), "kept");
  return empty(204);
}

function told<Result>(
  request: ApiRequest,
  work: Promise<Result>,
  outcome?: "renewed" | "kept",
): Promise<Result> {
  return translatingErrors(counted(request, work, outcome), RULES);
}

async function counted<Result>(
  { service }: ApiRequest,
  work: Promise<Result>,
  outcome: "renewed" | "kept" | undefined,
): Promise<Result> {
  const { metrics } = service.database;
  try {
    const result = await work;
    if (outcome) metrics.increment("stowage_leases_total", { outcome });
    return result;
  } catch (error) {
    if (error instanceof LeaseLost) metrics.increment("stowage_leases_total", { outcome: "lost" });
    throw error;
  }
}

const RULES: readonly ErrorRule[] = [
  when(LeaseNotFound, ({ message }) => notFound(message)),
  when(LeaseLost, ({ message }) => new HttpError(410, message, { code: ERROR_CODES.leaseLost })),
  when(ConcurrentUpdateDetected, ({ message }) => conflict(message, ERROR_CODES.concurrentUpdate)),
];
