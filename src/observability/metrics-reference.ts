import { SERIES, type Series } from "./series.ts";

/** The reference page of all metrics, in Markdown, written from the table of series. */
export function metricsReference(): string {
  return `${[INTRODUCTION, table(), PROCESS].join("\n\n")}\n`;
}

const INTRODUCTION = `\
<!-- Written by scripts/write-metrics-reference.ts from src/observability/series.ts; do not edit. -->

# Metrics

What the service counts and measures, in Prometheus' terms. Names and labels stay as they are from
release to release; new ones may come.

A template of a path stands for the route, such as \`/traits/{name}\`; \`none\` for all paths that lead nowhere.
With several workers, counters and histograms are the sums over all of them, those that have ended included;
the last column says what a gauge is of.`;

const PROCESS = `\
Besides these, \`process_*\` and \`nodejs_*\` tell of memory, processor time, open files, the event loop and
collections of garbage.`;

function table(): string {
  const rows = Object.entries<Series>(SERIES).map(([name, series]) => [
    `\`${name}\``,
    series.type,
    series.labels.map((label) => `\`${label}\``).join(", "),
    series.help,
    acrossWorkers(series),
  ]);
  const header = ["name", "type", "labels", "meaning", "of several workers"];
  return [header, header.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function acrossWorkers(series: Series): string {
  if (series.type !== "gauge" || series.across === undefined) return "sum";
  return { first: "any", min: "the lowest", max: "the highest" }[series.across];
}
