import { printable } from "../../observability/logger.ts";
import type { Terminal } from "../terminal.ts";
import { withSource, type SourceOptions } from "./source.ts";

/** Command-line options of `stowage explain`. */
interface ExplainCommand extends SourceOptions {
  readonly query: string;
  readonly host?: string;
  readonly nearest?: number;
  readonly json?: true;
}

/** Nothing fits. */
const NOTHING = 3;

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
 * Asks why a query for allocation candidates finds what it finds.
 *
 * @throws CannotAsk, which ends the command with 1
 * @returns 0 when something fits, 3 when nothing does
 */
export async function explain(command: ExplainCommand, terminal: Terminal): Promise<number> {
  const { query, host, nearest } = command;
  return withSource(command, terminal, async (client) => {
    const text = await client.ask("POST", "/stowage/v1/explain", {
      body: { query: query.replace(/^.*\?/, ""), host, nearest },
    });
    const answer = client.parse<Answer>(
      text,
      ({ verdict, summary }) => typeof verdict === "string" && typeof summary === "string",
    );
    terminal.output.write(command.json === true ? `${text}\n` : describe(answer));
    return answer.verdict === "fits" ? 0 : NOTHING;
  });
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
