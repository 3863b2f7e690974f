import type { Terminal } from "../terminal.ts";
import { printLines } from "./print-lines.ts";
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
  readonly dryRun?: true;
  readonly key?: string;
  readonly json?: true;
}

interface ClaimCommand extends ClaimOptions, ServiceAddress {
  readonly query: string;
}

/** Nothing is to be had. */
const NOTHING = 3;

const NOT_TO_BE_HAD = new Set(["stowage.no_candidates", "stowage.out_of_capacity"]);

/** As much of the answer as is printed. */
interface Answer {
  readonly claims?: readonly {
    readonly consumer: { readonly uuid: string };
    readonly allocations: Readonly<
      Record<string, { readonly resources: Readonly<Record<string, number>> }>
    >;
  }[];
  readonly errors?: readonly { readonly code: string; readonly detail: string }[];
}

/**
 * Claims the best of the candidates of a query.
 *
 * @throws CannotAsk, which ends the command with 1
 * @returns 0 when something was granted, 3 when nothing is to be had
 */
export async function claim(command: ClaimCommand, { output }: Terminal): Promise<number> {
  const { query, consumer, generation, key, notOn, dryRun } = command;
  const service = new ServiceClient(command);
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
      dry_run: dryRun,
    },
    mayBe: [409],
    ...(key !== undefined && { headers: { "idempotency-key": `"${key}"` } }),
  });
  const answer = service.parse<Answer>(
    text,
    ({ claims, errors }) => Array.isArray(claims) || Array.isArray(errors),
  );
  const [error] = answer.errors ?? [];
  if (error && !NOT_TO_BE_HAD.has(error.code)) throw new CannotAsk(error.detail);
  output.write(command.json === true ? `${text}\n` : describe(answer));
  return error ? NOTHING : 0;
}

function describe({ claims = [], errors = [] }: Answer): string {
  const lines = errors.map(({ detail }) => detail);
  for (const { consumer, allocations } of claims) {
    lines.push(`consumer ${consumer.uuid}`);
    for (const [provider, { resources }] of Object.entries(allocations)) {
      const amounts = Object.entries(resources).map(([name, amount]) => `${name}:${amount}`);
      lines.push(`  ${provider} ${amounts.join(",")}`);
    }
  }
  return printLines(lines);
}
