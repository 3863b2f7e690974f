import type { Terminal } from "../terminal.ts";
import { describeExplanation, type ToldExplanation } from "./describe-explanation.ts";
import { printLines } from "./print-lines.ts";
import { withSource, type SourceOptions } from "./source.ts";

/** Command-line options of `stowage why`. */
interface WhyCommand extends SourceOptions {
  readonly requestId: string;
  readonly isJson: boolean;
}

/** Nothing was refused under this id, or not lately. */
const NOTHING = 3;

/** As much of the answer as is printed. */
interface Answer {
  readonly refusals: readonly Refusal[];
  readonly dropped?: number;
}

interface Refusal {
  readonly at: string;
  readonly request_id: string;
  readonly user_id?: string;
  readonly kind: string;
  readonly query?: string;
  readonly explanation?: ToldExplanation;
  readonly consumer_uuid?: string;
  readonly status?: number;
  readonly detail?: string;
  readonly facts?: Facts;
}

interface Facts {
  readonly provider?: { readonly uuid: string; readonly name?: string };
  readonly resource_class?: string;
  readonly requested?: number;
  readonly capacity?: number;
  readonly used?: number;
  readonly reserved?: number;
  readonly given?: number | null;
  readonly actual?: number | null;
  readonly changed_by?: { readonly request_id: string; readonly user_id: string | null };
}

/**
 * Asks a service, or its database, what a request did not get: its own id, or that of the larger operation that it was
 * part of.
 *
 * @throws CannotAsk, which ends the command with 1
 * @returns 0 when something was found, 3 when not
 */
export function why(command: WhyCommand, terminal: Terminal): Promise<number> {
  const { requestId, isJson } = command;
  const { output, problems } = terminal;
  return withSource(command, terminal, async (client) => {
    const query = { request_id: requestId };
    const text = await client.ask("GET", "/stowage/v1/refusals", { query });
    const answer = client.parse<Answer>(text, ({ refusals }) => Array.isArray(refusals));
    const { refusals, dropped = 0 } = answer;
    if (isJson) output.write(`${text}\n`);
    // In the order in which it was asked: Nova may ask again for less.
    else output.write(printLines(refusals.toReversed().flatMap(describe)));
    if (refusals.length > 0) return 0;
    const maybe = dropped > 0 ? `; ${dropped} others were too many to be written down` : "";
    problems.write(printLines([`stowage: nothing is known to be refused to ${requestId}${maybe}`]));
    return NOTHING;
  });
}

function describe(refusal: Refusal): string[] {
  const { at, request_id: id, user_id: user } = refusal;
  const by = user === undefined ? "" : `, by ${user}`;
  const what =
    refusal.kind === "claim"
      ? describeClaim(refusal)
      : [`no candidates for ${refusal.query ?? ""}`, ...reasonsOf(refusal)];
  return [`${at} ${id}${by}`, ...what.map((line) => (line === "" ? "" : `  ${line}`)), ""];
}

function reasonsOf({ explanation }: Refusal): string[] {
  return explanation
    ? describeExplanation(explanation)
    : ["not explained when it was asked: stowage explain tells how it is now"];
}

function describeClaim({ consumer_uuid: consumer, status, detail, facts }: Refusal): string[] {
  const { provider, changed_by: other } = facts ?? {};
  const lines = [`${status} for the claim of consumer ${consumer ?? "unknown"}: ${detail ?? ""}`];
  if (facts?.requested !== undefined && provider) {
    const { capacity = 0, used = 0, reserved = 0, requested, resource_class: name } = facts;
    lines.push(
      `${provider.name ?? provider.uuid}: ${name} ${requested} asked for, ${capacity - used} free ` +
        `(capacity ${capacity}, used ${used}, reserved ${reserved})`,
    );
  }
  if (facts?.given !== undefined) {
    lines.push(`generation ${facts.given ?? "none"} was given, it was ${facts.actual ?? "none"}`);
  }
  if (other) lines.push(`changed before by ${other.user_id ?? "?"} in ${other.request_id}`);
  return lines;
}
