/** One metric as Prometheus knows it. */
export interface Series {
  readonly type: "counter" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds, ascending; of histograms only. */
  readonly buckets?: readonly number[];
}

/** Half a millisecond to half a minute: from an answer out of memory to a database that hangs. */
const DURATION_BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const;

/**
 * Every metric of the service, by the name under which it is scraped. Names and labels are what
 * dashboards and alerts are made of: they are added to, never changed.
 */
export const SERIES = {
  stowage_http_requests_total: {
    type: "counter",
    help: "Requests answered, by method, template of the path and status.",
    labels: ["method", "route", "status"],
  },
  stowage_http_request_duration_seconds: {
    type: "histogram",
    help: "From the head of a request to the beginning of its answer.",
    labels: ["method", "route"],
    buckets: DURATION_BUCKETS,
  },
  stowage_unexpected_errors_total: {
    type: "counter",
    help: "Defects: errors that nobody foresaw, answered 500.",
    labels: [],
  },
  stowage_claim_retries_total: {
    type: "counter",
    help: "Transactions begun again because another one was first.",
    labels: [],
  },
  stowage_transactions_rolled_back_total: {
    type: "counter",
    help: "Transactions that were to write and were rolled back for good.",
    labels: [],
  },
} as const satisfies Readonly<Record<string, Series>>;

export type SeriesName = keyof typeof SERIES;

type NamesOf<Type extends Series["type"]> = {
  [Name in SeriesName]: (typeof SERIES)[Name]["type"] extends Type ? Name : never;
}[SeriesName];

export type CounterName = NamesOf<"counter">;
export type HistogramName = NamesOf<"histogram">;

/** The values of a metric's labels. */
export type LabelsOf<Name extends SeriesName> = Readonly<
  Record<(typeof SERIES)[Name]["labels"][number], string>
>;
