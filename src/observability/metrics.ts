import { setImmediate } from "node:timers/promises";
import {
  AggregatorRegistry,
  collectDefaultMetrics,
  Gauge,
  Registry,
  type MetricObjectWithValues,
  type MetricValueWithName,
  type RegistryContentType,
} from "prom-client";

import { portionsOf } from "../scheduling/pace.ts";
import { EventLoopDelay } from "./event-loop-delay.ts";
import {
  SERIES,
  type CounterName,
  type GaugeName,
  type HistogramName,
  type LabelsOf,
  type Series,
  type SeriesName,
} from "./series.ts";

type Labels = Readonly<Record<string, string>>;

/** A metric as plain data, as the library has it. */
type Collected = MetricObjectWithValues<MetricValueWithName<string>>;

/**
 * One combination of labels of one metric. It is counted here: the library would look the labels up again, check and
 * join them each time, which took 7 of the 34 µs that an answer out of memory takes (`bench/metrics.ts`).
 */
class Child {
  readonly labels: Labels;
  readonly #bounds: readonly number[];
  /** In each bucket alone, the last one without a bound. */
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param bounds none for a counter */
  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  get sum(): number {
    return this.#sum;
  }

  add(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket += 1;
    this.#counts[bucket]! += 1;
    this.#sum += value;
  }

  /** As Prometheus has a histogram: each bucket holds those below as well. */
  histogram(name: string): MetricValueWithName<string>[] {
    const { labels } = this;
    let count = 0;
    const buckets = Array.from(this.#counts, (own, bucket) => {
      count += own;
      const le = this.#bounds[bucket] ?? "+Inf";
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

/** The children by the value of one label after the other, which are texts that are there: none is made to find one. */
type Branch = Map<string, Branch | Child>;

/** All that is counted by one name. */
class Family {
  readonly #labelNames: readonly string[];
  readonly #bounds: readonly number[];
  readonly #branches: Branch = new Map();
  /** What has no labels is there from the beginning. */
  readonly #alone: Child | undefined;

  constructor(series: Series) {
    this.#labelNames = series.labels;
    this.#bounds = series.type === "histogram" ? series.buckets : [];
    this.#alone = series.labels.length === 0 ? new Child({}, this.#bounds) : undefined;
  }

  child(labels: Labels): Child {
    if (this.#alone) return this.#alone;
    const names = this.#labelNames;
    const last = names.length - 1;
    let branch = this.#branches;
    for (let at = 0; at < last; at += 1) {
      const value = labels[names[at]!] ?? "";
      let next = branch.get(value) as Branch | undefined;
      if (next === undefined) branch.set(value, (next = new Map()));
      branch = next;
    }
    const value = labels[names[last]!] ?? "";
    let child = branch.get(value) as Child | undefined;
    if (child === undefined) branch.set(value, (child = new Child(labels, this.#bounds)));
    return child;
  }

  children(): readonly Child[] {
    return this.#alone ? [this.#alone] : [...childrenIn(this.#branches)];
  }
}

function* childrenIn(branch: Branch): Generator<Child> {
  for (const next of branch.values()) {
    if (next instanceof Child) yield next;
    else yield* childrenIn(next);
  }
}

/** A gauge is read when somebody scrapes. */
interface Watched {
  readonly labels: Labels;
  readonly read: () => number | undefined;
}

/** All metrics of a process at one moment, as plain data. */
export type CollectedMetrics = readonly MetricObjectWithValues<MetricValueWithName<string>>[];

/** How metrics are written: as Prometheus always did, or as its successor has it. */
export type ExpositionFormat = "prometheus" | "openmetrics";

/**
 * What the service counts and measures, for the life of the process: a facade, so that nothing else
 * knows the library, and a name that is not in the table of series does not compile.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #watched = new Map<string, Watched[]>();
  readonly #families = new Map<SeriesName, Family>();
  #collectAll = () => this.collect();

  constructor() {
    for (const [name, series] of Object.entries(SERIES)) {
      if (series.type === "gauge") this.#registerGauge(name, series);
      else this.#families.set(name as SeriesName, new Family(series));
    }
  }

  /** With what the process itself can tell: its memory, processor time, event loop. */
  static ofProcess(): Metrics {
    const metrics = new Metrics();
    collectDefaultMetrics({ register: metrics.#registry });
    const delay = new EventLoopDelay();
    for (const statistic of ["p50", "p99", "max"] as const) {
      metrics.watch("stowage_event_loop_delay_seconds", { statistic }, () =>
        delay.seconds(statistic),
      );
    }
    return metrics;
  }

  increment<Name extends CounterName>(name: Name, labels: LabelsOf<Name>, by = 1): void {
    this.#families.get(name)!.child(labels).add(by);
  }

  observe<Name extends HistogramName>(name: Name, labels: LabelsOf<Name>, value: number): void {
    this.#families.get(name)!.child(labels).add(value);
  }

  /**
   * From now on the value of a gauge is what a function returns when somebody scrapes; it is left out where
   * that is undefined.
   */
  watch<Name extends GaugeName>(
    name: Name,
    labels: LabelsOf<Name>,
    read: () => number | undefined,
  ): void {
    this.#watched.get(name)?.push({ labels, read });
  }

  /** The sum of a counter or gauge, over all that has these labels. */
  async total<Name extends CounterName | GaugeName>(
    name: Name,
    labels: Partial<LabelsOf<Name>> = {},
  ): Promise<number> {
    const metric = (await this.collect()).find((one) => one.name === name);
    return (metric?.values ?? [])
      .filter(({ labels: own }) =>
        Object.entries(labels).every(([label, value]) => String(own[label]) === value),
      )
      .reduce((sum, { value }) => sum + value, 0);
  }

  /** Of this process. */
  async collect(): Promise<CollectedMetrics> {
    const counted = Array.from(this.#families, ([name, family]) => collected(name, family));
    return [...counted, ...(await this.#registry.getMetricsAsJSON())];
  }

  /** Of all processes of the service. */
  collectAll(): Promise<CollectedMetrics> {
    return this.#collectAll();
  }

  /** This process is one of several, of which a function knows the metrics. */
  joinOthers(collectAll: () => Promise<CollectedMetrics>): void {
    this.#collectAll = collectAll;
  }

  /** As Prometheus scrapes it. */
  async text(): Promise<string> {
    return writeMetrics(await this.collect(), "prometheus");
  }

  #registerGauge(name: string, series: Extract<Series, { type: "gauge" }>): void {
    const watched: Watched[] = [];
    this.#watched.set(name, watched);
    const gauge = new Gauge({
      name,
      help: series.help,
      labelNames: [...series.labels],
      registers: [this.#registry],
      aggregator: series.across ?? "sum",
      collect: () => {
        gauge.reset();
        // Without labels there is a value of 0 from the beginning.
        if (series.labels.length === 0) gauge.remove();
        for (const { labels, read } of watched) {
          const value = read();
          if (value !== undefined) gauge.inc(labels, value);
        }
      },
    });
  }
}

function collected(name: SeriesName, family: Family): Collected {
  const { type, help } = SERIES[name];
  const values = family
    .children()
    .flatMap((child) =>
      type === "histogram" ? child.histogram(name) : [{ labels: child.labels, value: child.sum }],
    );
  return { name, help, type, values, aggregator: "sum" } as unknown as Collected;
}

/** So many are written between two pauses: all of them take 5 ms. */
const WRITTEN_AT_ONCE = 8;
/** What the library ends a text with, in the format that has an end. */
const END = "# EOF\n";

/** As it is scraped. Others are served in between. */
export async function writeMetrics(
  metrics: CollectedMetrics,
  format: ExpositionFormat,
): Promise<string> {
  const isOpen = format === "openmetrics";
  const texts: string[] = [];
  for (const some of portionsOf(isOpen ? withoutTotal(metrics) : metrics, WRITTEN_AT_ONCE)) {
    const text = await merge([some], EXPOSITION_TYPES[format]).metrics();
    texts.push(isOpen ? text.slice(0, -END.length) : text);
    await setImmediate();
  }
  return isOpen ? texts.join("") + END : texts.join("\n");
}

/** The media types of the formats, with their versions. */
export const EXPOSITION_TYPES = {
  prometheus: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
} as const;

/** The metrics of several processes as those of one, as plain data. */
export async function mergeMetrics(
  processes: readonly CollectedMetrics[],
): Promise<CollectedMetrics> {
  return merge(processes, EXPOSITION_TYPES.prometheus).getMetricsAsJSON();
}

/** What only ever grows: it is kept of a process that has ended. */
export function countsOf(metrics: CollectedMetrics): CollectedMetrics {
  return metrics.filter(({ type }) => ["counter", "histogram"].includes(String(type)));
}

function merge(
  processes: readonly CollectedMetrics[],
  type: RegistryContentType,
): Registry<RegistryContentType> {
  const registry: Registry<RegistryContentType> = AggregatorRegistry.aggregate([...processes]);
  registry.setContentType(type);
  return registry;
}

/** The ending of a counter's name is not part of it any more, and the library adds it to each value. */
function withoutTotal(metrics: CollectedMetrics): CollectedMetrics {
  return metrics.map((metric) =>
    String(metric.type) === "counter"
      ? { ...metric, name: metric.name.replace(/_total$/, "") }
      : metric,
  );
}
