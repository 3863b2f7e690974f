/** As much of the answer as is printed. */
export interface ToldExplanation {
  readonly verdict: string;
  readonly summary: string;
  readonly constraints?: readonly {
    readonly id: string;
    readonly failed: number;
    readonly only: number;
    readonly left: number;
    readonly requested?: number;
    readonly note?: string;
    readonly constraints?: number;
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
      readonly failing?: readonly string[];
      readonly short?: number;
      readonly free?: number;
      readonly capacity?: number;
    }[];
  }[];
}

/** For people, line by line; names are as somebody has called something. */
export function describeExplanation({
  summary,
  constraints = [],
  relaxations = [],
  nearest = [],
}: ToldExplanation): string[] {
  const lines = [summary];
  if (constraints.length > 0) lines.push("", ...describeConstraints(constraints));
  if (relaxations.length > 0) {
    lines.push("", "Would help:");
    for (const { drop, lower = {}, hosts } of relaxations) {
      const without = drop.length > 0 ? [`without ${drop.join(" and ")}`] : [];
      const less = Object.entries(lower).map(([id, amount]) => `with ${id} ${amount}`);
      lines.push(
        `  ${[...without, ...less].join(", ")}: ${hosts} ${hosts === 1 ? "host" : "hosts"}`,
      );
    }
  }
  if (nearest.length > 0) {
    lines.push("", "Nearest:");
    for (const { root, failures } of nearest) {
      const reasons = failures.map(({ constraint, failing, short, free, capacity }) =>
        short === undefined
          ? `not ${failing?.join(", ") ?? constraint}`
          : `${constraint} ${short} short (${free} free of ${capacity})`,
      );
      lines.push(`  ${root.name}: ${reasons.join("; ")}`);
    }
  }
  return lines;
}

function describeConstraints(constraints: NonNullable<ToldExplanation["constraints"]>): string[] {
  const rows = [
    ["constraint", "asks", "fail", "alone", "left", ""],
    ...constraints.map(({ id, requested, failed, only, left, ...more }) => [
      id,
      requested === undefined ? "" : String(requested),
      String(failed),
      String(only),
      String(left),
      describeMore(more),
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

function describeMore({
  largest,
  note,
  constraints,
}: Pick<NonNullable<ToldExplanation["constraints"]>[number], "largest" | "note" | "constraints">) {
  if (largest !== undefined) return `largest free ${largest.now}`;
  return constraints === undefined ? (note ?? "") : `${constraints} constraints together`;
}
