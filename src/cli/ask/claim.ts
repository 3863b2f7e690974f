import { randomUUID } from "node:crypto";

import type { Surroundings } from "../terminal.ts";
import { printLines } from "./print-lines.ts";
import { runHeld } from "./run-held.ts";
import { CannotAsk, ServiceClient, type ServiceAddress } from "./service-client.ts";

/** Command-line options of `stowage claim`. */
export interface ClaimOptions {
  readonly project: string;
  readonly user: string;
  readonly type: string;
  readonly consumer?: string;
  readonly generation?: number;
  readonly prefer?: string;
  readonly among?: number;
  readonly notOn?: readonly string[];
  readonly attempts?: number;
  /** Seconds. */
  readonly lease?: number;
  readonly dryRun?: true;
  readonly key?: string;
  readonly json?: true;
}

interface ClaimCommand extends ClaimOptions, ServiceAddress {
  readonly query: string;
  /** To be run while what is granted is held. */
  readonly words: readonly string[];
}

/** Nothing is to be had. */
const NOTHING = 3;

const NOT_TO_BE_HAD = new Set(["stowage.no_candidates", "stowage.out_of_capacity"]);

/** Of a claim for a command that says nothing of it: what is left behind by one that is killed is free soon. */
const DEFAULT_LEASE_S = 60;

/** As much of the answer as is printed. */
interface Answer {
  readonly claims?: readonly {
    readonly consumer: { readonly uuid: string };
    readonly allocations: Readonly<
      Record<string, { readonly resources: Readonly<Record<string, number>> }>
    >;
    readonly lease?: { readonly expires_at: string } | null;
  }[];
  readonly errors?: readonly { readonly code: string; readonly detail: string }[];
}

/**
 * Claims the best of the candidates of a query; for a command, holds it while that runs, and gives it back.
 *
 * @throws CannotAsk, which ends the command with 1
 * @returns 0 when something was granted, 3 when nothing is to be had; that of a command
 */
export async function claim(command: ClaimCommand, surroundings: Surroundings): Promise<number> {
  const { output, problems } = surroundings;
  const isHeld = command.words.length > 0;
  const service = new ServiceClient(command);
  const [text, answer] = await ask(
    service,
    isHeld ? { lease: DEFAULT_LEASE_S, key: randomUUID(), ...command } : command,
  );
  const [error] = answer.errors ?? [];
  if (error && !NOT_TO_BE_HAD.has(error.code)) throw new CannotAsk(error.detail);
  // What the command prints is the command's alone.
  const where = isHeld ? problems : output;
  where.write(command.json === true ? `${text}\n` : describe(answer));
  if (error) return NOTHING;
  const [granted] = answer.claims ?? [];
  if (!isHeld || !granted) return 0;
  const consumer = granted.consumer.uuid;
  const providers = Object.keys(granted.allocations);
  return runHeld({
    service,
    consumer,
    leaseSeconds: command.lease ?? DEFAULT_LEASE_S,
    words: command.words,
    environment: {
      ...surroundings.environment,
      STOWAGE_CONSUMER: consumer,
      STOWAGE_PROVIDERS: providers.join("\n"),
      STOWAGE_PROVIDER_NAMES: (await namesOf(service, consumer, providers)).join("\n"),
      STOWAGE_CLAIM: text,
    },
    warn: (warning) => problems.write(`stowage: ${warning}\n`),
  });
}

async function ask(service: ServiceClient, command: ClaimCommand): Promise<[string, Answer]> {
  const { query, consumer, generation, key, notOn, dryRun, lease } = command;
  const text = await service.ask("POST", "/stowage/v1/claims", {
    body: {
      query: query.replace(/^.*\?/, ""),
      consumer: {
        uuid: consumer,
        project_id: command.project,
        user_id: command.user,
        type: command.type,
        generation,
      },
      prefer: command.prefer,
      among: command.among,
      not_on: notOn,
      attempts: command.attempts,
      lease: lease === undefined ? undefined : { seconds: lease },
      dry_run: dryRun,
    },
    mayBe: [409],
    ...(key !== undefined && { headers: { "idempotency-key": `"${key}"` } }),
  });
  const answer = service.parse<Answer>(
    text,
    ({ claims, errors }) => Array.isArray(claims) || Array.isArray(errors),
  );
  return [text, answer];
}

/** What providers are called, for those who may know; else their UUIDs. */
async function namesOf(
  service: ServiceClient,
  consumer: string,
  providers: readonly string[],
): Promise<readonly string[]> {
  const text = await service
    .ask("GET", `/stowage/v1/consumers/${consumer}`)
    .catch(() => '{"allocations":{}}');
  const { allocations } = service.parse<{
    readonly allocations: Readonly<Record<string, { readonly provider_name?: string }>>;
  }>(text, (told) => typeof told.allocations === "object");
  return providers.map((provider) => allocations[provider]?.provider_name ?? provider);
}

function describe({ claims = [], errors = [] }: Answer): string {
  const lines = errors.map(({ detail }) => detail);
  for (const { consumer, allocations, lease } of claims) {
    lines.push(`consumer ${consumer.uuid}${lease ? ` until ${lease.expires_at}` : ""}`);
    for (const [provider, { resources }] of Object.entries(allocations)) {
      const amounts = Object.entries(resources).map(([name, amount]) => `${name}:${amount}`);
      lines.push(`  ${provider} ${amounts.join(",")}`);
    }
  }
  return printLines(lines);
}
