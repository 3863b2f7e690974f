/** As much of the answer as is printed. */
export interface ToldFits {
  readonly flavors: Readonly<Record<string, ToldFit>>;
  readonly drained?: Readonly<Record<string, ToldDrain>>;
}

interface ToldFit {
  readonly total: number;
  readonly at_most: number;
  readonly hosts_with_room: number;
  readonly of_hosts: number;
  readonly if_empty: { readonly total: number };
  readonly bounded_by: Readonly<Record<string, number>>;
  readonly hosts: readonly {
    readonly root: { readonly name: string };
    readonly count: number;
    readonly bounded_by: string;
  }[];
  readonly by_aggregate?: Readonly<Record<string, number>>;
}

interface ToldDrain {
  readonly consumers: number;
  readonly placed: number;
  readonly not_placed: readonly {
    readonly consumer_uuid: string;
    readonly resources: Readonly<Record<string, number>>;
  }[];
  readonly moves: readonly {
    readonly consumer_uuid: string;
    readonly to: { readonly name: string };
  }[];
}

export function describeFits({ flavors, drained = {} }: ToldFits): string[] {
  const fits = Object.entries(flavors);
  const lines = fits.length > 0 ? describeTable(fits) : [];
  for (const [name, { hosts, by_aggregate: byAggregate = {} }] of fits) {
    const counted = Object.entries(byAggregate);
    if (counted.length > 0) lines.push("", `${name} by aggregate:`);
    for (const [uuid, count] of counted) lines.push(`  ${uuid}: ${count}`);
    if (hosts.length > 0) lines.push("", `Most of ${name}:`);
    for (const { root, count, bounded_by: boundedBy } of hosts) {
      lines.push(`  ${root.name}: ${count}, then no more ${boundedBy}`);
    }
  }
  for (const [host, drain] of Object.entries(drained)) {
    if (lines.length > 0) lines.push("");
    lines.push(...describeDrain(host, drain));
  }
  return lines;
}

function describeTable(fits: readonly (readonly [string, ToldFit])[]): string[] {
  const rows = [
    ["", "fits", "at most", "hosts", "of", "if empty", "runs out of"],
    ...fits.map(([name, it]) => [
      name,
      String(it.total),
      String(it.at_most),
      String(it.hosts_with_room),
      String(it.of_hosts),
      String(it.if_empty.total),
      Object.entries(it.bounded_by)
        .map(([what, hosts]) => `${what} (${hosts})`)
        .join(", "),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || column === 6
          ? cell.padEnd(widths[column]!)
          : cell.padStart(widths[column]!),
      )
      .join("  ")
      .trimEnd(),
  );
}

function describeDrain(
  host: string,
  { consumers, placed, not_placed: notPlaced, moves }: ToldDrain,
): string[] {
  return [
    `${host}: ${placed} of ${consumers} consumers have a place on another host.`,
    ...notPlaced.map(({ consumer_uuid: uuid, resources }) => {
      const amounts = Object.entries(resources).map(([name, amount]) => `${name}:${amount}`);
      return `  ${uuid}: nowhere for ${amounts.join(",")}`;
    }),
    ...moves.map(({ consumer_uuid: uuid, to }) => `  ${uuid}: to ${to.name}`),
  ];
}
