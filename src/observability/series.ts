interface CommonFacts {
  readonly help: string;
  readonly labels: readonly string[];
}

interface CounterSeries extends CommonFacts {
  readonly type: "counter";
}

interface HistogramSeries extends CommonFacts {
  readonly type: "histogram";
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
}

interface GaugeSeries extends CommonFacts {
  readonly type: "gauge";
  /** What stands for all of several processes, where not their sum. */
  readonly across?: "first" | "min" | "max";
}

/** One metric as Prometheus knows it. */
export type Series = CounterSeries | HistogramSeries | GaugeSeries;

/** Half a millisecond to half a minute: from an answer out of memory to a database that hangs. */
const DURATION_BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const;

/**
 * Every metric of the service, by the name under which it is scraped. Names and labels are what
 * dashboards and alerts are made of: they are added to, never changed.
 */
export const SERIES = {
  stowage_build_info: {
    type: "gauge",
    help: "Always 1: the release, the version of Node and the kind of database.",
    labels: ["version", "node", "database"],
    across: "first",
  },
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
  stowage_http_requests_in_flight: {
    type: "gauge",
    help: "Requests whose answer is not complete.",
    labels: [],
  },
  stowage_http_streams: {
    type: "gauge",
    help: "Answers that go on until somebody ends them, such as those that tell of events.",
    labels: [],
  },
  stowage_event_streams_dropped_total: {
    type: "counter",
    help: "Streams of events that could not go on: they were read too slowly, or the feed became another one.",
    labels: [],
  },
  stowage_unexpected_errors_total: {
    type: "counter",
    help: "Defects: errors that nobody foresaw, answered 500.",
    labels: [],
  },
  stowage_candidates_returned: {
    type: "histogram",
    help: "Allocation candidates in one answer.",
    labels: [],
    buckets: [0, 1, 10, 100, 1000, 10_000],
  },
  stowage_candidate_claims_total: {
    type: "counter",
    help: "Claims of the best of the candidates in one call (`POST /stowage/v1/claims`), by what became of them.",
    labels: ["outcome"],
  },
  stowage_leases_total: {
    type: "counter",
    help: "Leases that were renewed, or given up, or lost when somebody asked, and consumers that were released as theirs had expired, by outcome: renewed, kept, lost, expired.",
    labels: ["outcome"],
  },
  stowage_candidates_empty_total: {
    type: "counter",
    help: "Answers without an allocation candidate: nothing fits.",
    labels: [],
  },
  stowage_candidates_limited_total: {
    type: "counter",
    help: "Answers with as many allocation candidates as were asked for: there may be more.",
    labels: [],
  },
  stowage_claims_total: {
    type: "counter",
    help: "Claims by what became of them: accepted; refused, for what they ask for; failed, as they could not be written.",
    labels: ["outcome"],
  },
  stowage_refusals_total: {
    type: "counter",
    help: "Queries that nothing meets, by the verdict on them where there was time for one, and refused claims by why.",
    labels: ["kind", "reason"],
  },
  stowage_refusals_dropped_total: {
    type: "counter",
    help: "Those of them that were not written to the database, as they were too many or it could not be written to.",
    labels: [],
  },
  stowage_history_changes_total: {
    type: "counter",
    help: "Changes that were added to the history; of all processes on one database, mostly one does so.",
    labels: [],
  },
  stowage_claim_duration_seconds: {
    type: "histogram",
    help: "From when a claim is ready to be judged to its outcome, waiting included.",
    labels: [],
    buckets: DURATION_BUCKETS,
  },
  stowage_claim_batch_size: {
    type: "histogram",
    help: "Claims judged and written together, in one transaction.",
    labels: [],
    buckets: [1, 2, 5, 10, 20, 50, 100],
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
  stowage_index_providers: {
    type: "gauge",
    help: "Resource providers in the read model.",
    labels: [],
    across: "first",
  },
  stowage_index_trees: {
    type: "gauge",
    help: "Trees of resource providers in the read model.",
    labels: [],
    across: "first",
  },
  stowage_index_views_open: {
    type: "gauge",
    help: "Answers under way for which the read model is kept as it was.",
    labels: [],
  },
  stowage_index_retired_bytes: {
    type: "gauge",
    help: "Memory of what is kept for such answers, or not given back yet.",
    labels: [],
  },
  stowage_index_builds_total: {
    type: "counter",
    help: "How often the read model was read from the tables as a whole, by why: start; told, as the feed said that everything changed; server, as another database server may have lost changes; breach, as the feed was not the same any more; overtaken, as another program wrote.",
    labels: ["reason"],
  },
  stowage_index_build_duration_seconds: {
    type: "histogram",
    help: "How long that took.",
    labels: ["reason"],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  },
  stowage_feed_floor: {
    type: "gauge",
    help: "The id up to which everything in the change feed is settled and read; only with a database that others can write to.",
    labels: [],
    across: "max",
  },
  stowage_feed_open_entries: {
    type: "gauge",
    help: "Entries of the change feed that were read above that id; only with a database that others can write to.",
    labels: [],
    across: "max",
  },
  stowage_feed_wait_seconds: {
    type: "histogram",
    help: "How long one who needs the read model waited for what others have written.",
    labels: [],
    buckets: DURATION_BUCKETS,
  },
  stowage_feed_unknown_writer: {
    type: "gauge",
    help: "1 when a program has written that does not write to the change feed.",
    labels: [],
    across: "max",
  },
  stowage_database_up: {
    type: "gauge",
    help: "0 while the database is away: what reads is answered with 503.",
    labels: [],
    across: "min",
  },
  stowage_database_writable: {
    type: "gauge",
    help: "0 while the database takes no writes: what writes is answered with 503.",
    labels: [],
    across: "min",
  },
  stowage_database_transactions_total: {
    type: "counter",
    help: "Transactions by kind, read or write, and by outcome: done, or failed for good.",
    labels: ["kind", "outcome"],
  },
  stowage_database_transaction_duration_seconds: {
    type: "histogram",
    help: "How long they took, waiting for a connection and repetitions included.",
    labels: ["kind", "outcome"],
    buckets: DURATION_BUCKETS,
  },
  stowage_database_connections: {
    type: "gauge",
    help: "Connections to the database that are idle or busy, and those who are waiting for one.",
    labels: ["state"],
  },
  stowage_fit_total: {
    type: "gauge",
    help: "How often a flavor of `fit_flavors_file` can be claimed until nothing fits, by state: now, or if_empty, as if nothing were claimed.",
    labels: ["flavor", "state"],
    across: "max",
  },
  stowage_fit_hosts: {
    type: "gauge",
    help: "Hosts on which a flavor of `fit_flavors_file` fits, by state: now, or if_empty.",
    labels: ["flavor", "state"],
    across: "max",
  },
  stowage_event_loop_delay_seconds: {
    type: "gauge",
    help: "How late the event loop got to its work, within the last half to whole minute: p50, p99, max.",
    labels: ["statistic"],
    across: "max",
  },
} as const satisfies Readonly<Record<string, Series>>;

export type SeriesName = keyof typeof SERIES;

type NamesOf<Type extends Series["type"]> = {
  [Name in SeriesName]: (typeof SERIES)[Name]["type"] extends Type ? Name : never;
}[SeriesName];

export type CounterName = NamesOf<"counter">;
export type HistogramName = NamesOf<"histogram">;
export type GaugeName = NamesOf<"gauge">;

/** The values of a metric's labels. */
export type LabelsOf<Name extends SeriesName> = Readonly<
  Record<(typeof SERIES)[Name]["labels"][number], string>
>;
