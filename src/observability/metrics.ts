import { Counter, Histogram, Registry } from "prom-client";

import {
  SERIES,
  type CounterName,
  type HistogramName,
  type LabelsOf,
  type Series,
  type SeriesName,
} from "./series.ts";

/** One combination of labels of one metric. */
interface Child {
  add(value: number): void;
}

/**
 * What the service counts and measures, for the life of the process: a facade, so that nothing else
 * knows the library, and a name that is not in the table of series does not compile.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #makers: ReadonlyMap<SeriesName, (labels: Readonly<Record<string, string>>) => Child>;
  /** Looked up with each answer: the library would sort and join the labels each time. */
  readonly #children = new Map<string, Child>();

  constructor() {
    this.#makers = new Map(
      Object.entries(SERIES).map(([name, series]) => [
        name as SeriesName,
        this.#register(name, series),
      ]),
    );
  }

  increment<Name extends CounterName>(name: Name, labels: LabelsOf<Name>): void {
    this.#child(name, labels).add(1);
  }

  observe<Name extends HistogramName>(name: Name, labels: LabelsOf<Name>, value: number): void {
    this.#child(name, labels).add(value);
  }

  /** The sum of a counter, over all that has these labels. */
  async total<Name extends CounterName>(
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

  /** As Prometheus scrapes it. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #child(name: SeriesName, labels: Readonly<Record<string, string>>): Child {
    let key: string = name;
    for (const label of SERIES[name].labels) key += `\0${labels[label] ?? ""}`;
    let child = this.#children.get(key);
    if (child === undefined) {
      child = this.#makers.get(name)!(labels);
      this.#children.set(key, child);
    }
    return child;
  }

  #register(name: string, series: Series): (labels: Readonly<Record<string, string>>) => Child {
    const { type, help, labels, buckets } = series;
    const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
    if (type === "histogram") {
      const histogram = new Histogram({ ...options, buckets: [...(buckets ?? [])] });
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
}
