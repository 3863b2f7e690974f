import {
  AggregatorRegistry,
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  Registry,
  type MetricObjectWithValues,
  type MetricValueWithName,
  type RegistryContentType,
} from "prom-client";

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

/** One combination of labels of one metric. */
interface Child {
  add(value: number): void;
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
  readonly #makers = new Map<SeriesName, (labels: Labels) => Child>();
  readonly #watched = new Map<string, Watched[]>();
  /** Looked up with each answer: the library would sort and join the labels each time. */
  readonly #children = new Map<string, Child>();
  #collectAll = () => this.collect();

  constructor() {
    for (const [name, series] of Object.entries(SERIES)) {
      if (series.type === "gauge") this.#registerGauge(name, series);
      else this.#makers.set(name as SeriesName, this.#register(name, series));
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

  increment<Name extends CounterName>(name: Name, labels: LabelsOf<Name>): void {
    this.#child(name, labels).add(1);
  }

  observe<Name extends HistogramName>(name: Name, labels: LabelsOf<Name>, value: number): void {
    this.#child(name, labels).add(value);
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
    const metric = await this.#registry.getSingleMetric(name)?.get();
    return (metric?.values ?? [])
      .filter(({ labels: own }) =>
        Object.entries(labels).every(([label, value]) => String(own[label]) === value),
      )
      .reduce((sum, { value }) => sum + value, 0);
  }

  /** Of this process. */
  async collect(): Promise<CollectedMetrics> {
    return this.#registry.getMetricsAsJSON();
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

  #child(name: SeriesName, labels: Labels): Child {
    let key: string = name;
    for (const label of SERIES[name].labels) key += `\0${labels[label] ?? ""}`;
    let child = this.#children.get(key);
    if (child === undefined) {
      child = this.#makers.get(name)!(labels);
      this.#children.set(key, child);
    }
    return child;
  }

  #register(name: string, series: Exclude<Series, { type: "gauge" }>): (labels: Labels) => Child {
    const { type, help, labels } = series;
    const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
    if (type === "histogram") {
      const histogram = new Histogram({ ...options, buckets: [...series.buckets] });
      return (values) => {
        const child = histogram.labels(values);
        return { add: (value) => child.observe(value) };
      };
    }
    const counter = new Counter(options);
    return (values) => {
      const child = counter.labels(values);
      return { add: (value) => child.inc(value) };
    };
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

/** As it is scraped. */
export function writeMetrics(metrics: CollectedMetrics, format: ExpositionFormat): Promise<string> {
  const named = format === "openmetrics" ? withoutTotal(metrics) : metrics;
  return merge([named], EXPOSITION_TYPES[format]).metrics();
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
