import { parseJson } from "../../api/validation/parse-json.ts";
import { messageOf, OperatorError } from "../../config/operator-error.ts";
import { printable } from "../../observability/logger.ts";
import type { Terminal } from "../terminal.ts";

/** Command-line options of `stowage explain`. */
interface ExplainCommand {
  readonly query: string;
  /** Of the service, with the path below which it is mounted. */
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly host?: string;
  readonly nearest?: number;
  readonly json?: true;
}

/** Nothing fits. */
const NOTHING = 3;
/** A service that does not answer for so long does not answer. */
const TIMEOUT_MS = 60_000;

class CannotAsk extends OperatorError {}

/** As much of the answer as is printed. */
interface Answer {
  readonly verdict: string;
  readonly summary: string;
  readonly constraints?: readonly {
    readonly id: string;
    readonly failed: number;
    readonly only: number;
    readonly left: number;
    readonly requested?: number;
    readonly note?: string;
    readonly largest?: { readonly now: number };
  }[];
  readonly relaxations?: readonly {
    readonly drop: readonly string[];
    readonly lower?: Readonly<Record<string, number>>;
    readonly hosts: number;
  }[];
  readonly nearest?: readonly {
    readonly root: { readonly name: string };
    readonly failures: readonly {
      readonly constraint: string;
      readonly short?: number;
      readonly free?: number;
      readonly capacity?: number;
    }[];
  }[];
}

/**
 * Asks a service why a query for allocation candidates finds what it finds.
 *
 * @throws CannotAsk, which ends the command with 1
 * @returns 0 when something fits, 3 when nothing does
 */
export async function explain(command: ExplainCommand, { output }: Terminal): Promise<number> {
  const text = await ask(command);
  const answer = parse(text, command.url);
  output.write(command.json === true ? `${text}\n` : describe(answer));
  return answer.verdict === "fits" ? 0 : NOTHING;
}

async function ask({ query, url, token, host, nearest }: ExplainCommand): Promise<string> {
  if (url === undefined) {
    throw new CannotAsk("say where the service is: --url or OS_PLACEMENT_ENDPOINT_OVERRIDE");
  }
  const body = {
    query: query.replace(/^.*\?/, ""),
    ...(host !== undefined && { host }),
    ...(nearest !== undefined && { nearest }),
  };
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${url.replace(/\/$/, "")}/stowage/v1/explain`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token !== undefined && { "x-auth-token": token }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch (error) {
    throw new CannotAsk(`${url} cannot be asked: ${reasonOf(error)}`);
  }
  if (response.status === 401 && token === undefined) {
    throw new CannotAsk(`${url} wants a token: set OS_TOKEN`);
  }
  if (!response.ok) throw new CannotAsk(`${url} answered ${response.status}: ${detailOf(text)}`);
  return text;
}

function reasonOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined
    ? messageOf(error.cause)
    : messageOf(error);
}

function detailOf(text: string): string {
  try {
    const { errors } = parseJson(Buffer.from(text)) as { errors: readonly { detail: string }[] };
    return errors[0]!.detail;
  } catch {
    return text.slice(0, 200);
  }
}

function parse(text: string, url: string | undefined): Answer {
  try {
    const answer = parseJson(Buffer.from(text)) as Partial<Answer> | null;
    if (typeof answer?.verdict === "string" && typeof answer.summary === "string") {
      return answer as Answer;
    }
  } catch {
    // Told below.
  }
  throw new CannotAsk(`${url} is no service that explains`);
}

function describe({ summary, constraints = [], relaxations = [], nearest = [] }: Answer): string {
  const lines = [summary];
  if (constraints.length > 0) lines.push("", ...describeConstraints(constraints));
  if (relaxations.length > 0) {
    lines.push("", "Would help:");
    for (const { drop, lower = {}, hosts } of relaxations) {
      const without = drop.length > 0 ? [`without ${drop.join(" and ")}`] : [];
      const less = Object.entries(lower).map(([id, amount]) => `${id} ${amount}`);
      lines.push(
        `  ${[...without, ...less].join(", ")}: ${hosts} ${hosts === 1 ? "host" : "hosts"}`,
      );
    }
  }
  if (nearest.length > 0) {
    lines.push("", "Nearest:");
    for (const { root, failures } of nearest) {
      const reasons = failures.map(({ constraint, short, free, capacity }) =>
        short === undefined
          ? `not ${constraint}`
          : `${constraint} ${short} short (${free} free of ${capacity})`,
      );
      lines.push(`  ${root.name}: ${reasons.join("; ")}`);
    }
  }
  // Names are what anybody has called something.
  return lines.map((line) => `${printable(line)}\n`).join("");
}

function describeConstraints(constraints: NonNullable<Answer["constraints"]>): string[] {
  const rows = [
    ["constraint", "asks", "fail", "alone", "left", ""],
    ...constraints.map(({ id, requested, failed, only, left, largest, note }) => [
      id,
      requested === undefined ? "" : String(requested),
      String(failed),
      String(only),
      String(left),
      largest === undefined ? (note ?? "") : `largest free ${largest.now}`,
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column]!;
      return column === 0 || column === 5 ? cell.padEnd(width) : cell.padStart(width);
    });
    return `  ${cells.join("  ")}`.trimEnd();
  });
}
