import { setTimeout as sleep } from "node:timers/promises";

import { internalContext } from "../db/change.ts";
import type { CandidateQuery } from "../domain/candidate-query.ts";
import {
  CandidatesOutdated,
  DatabaseUnavailable,
  SearchEffortExceeded,
  TooManySearches,
} from "../domain/errors.ts";
import type { Fit, FitTerms } from "../domain/fit.ts";
import { UnknownNamesInFlavor } from "../domain/fit-errors.ts";
import type { Metrics } from "../observability/metrics.ts";
import { fit } from "./fit.ts";
import type { Service } from "./service.ts";

/** Not counted more often, however much changes. */
const INTERVAL_MS = 30_000;

const GAUGES = { ...internalContext("fit-gauges"), userId: "fit-gauges" };

const ALL: FitTerms = {
  maxPerHost: Infinity,
  maxPerAggregate: { aggregates: [], max: Infinity },
  byAggregate: [],
  hosts: 0,
};

/** Counts how often flavors fit, for whoever scrapes: again when providers have changed. */
export class FitGauges {
  readonly #service: Service;
  readonly #flavors: ReadonlyMap<string, CandidateQuery>;
  readonly #report: (problem: string) => void;
  readonly #fits = new Map<string, Fit>();
  readonly #reported = new Map<string, string>();
  #counted: { readonly index: object; readonly changes: string } | undefined;

  /** @param report is told of a flavor that cannot be counted, once for each reason */
  constructor(
    service: Service,
    flavors: ReadonlyMap<string, CandidateQuery>,
    metrics: Metrics,
    report: (problem: string) => void,
  ) {
    this.#service = service;
    this.#flavors = flavors;
    this.#report = report;
    for (const flavor of flavors.keys()) {
      const watch = (state: "now" | "if_empty", valueOf: (fit: Fit) => [number, number]) => {
        const read = (number: 0 | 1) => () => {
          const found = this.#fits.get(flavor);
          return found && valueOf(found)[number];
        };
        metrics.watch("stowage_fit_total", { flavor, state }, read(0));
        metrics.watch("stowage_fit_hosts", { flavor, state }, read(1));
      };
      watch("now", ({ total, hostsWithRoom }) => [total, hostsWithRoom]);
      watch("if_empty", ({ ifEmpty: { total, hostsWithRoom } }) => [total, hostsWithRoom]);
    }
  }

  /** Counts every half minute, until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.count(signal);
      } catch (error) {
        if (!isTransient(error)) this.#complain("", String(error));
      }
      await sleep(INTERVAL_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /**
   * Counts, unless nothing has changed.
   *
   * @returns whether it did
   */
  async count(signal: AbortSignal): Promise<boolean> {
    const index = await this.#service.freshIndex(GAUGES);
    const changes = `${index.journal.position} ${index.namings}`;
    if (this.#counted?.index === index && this.#counted.changes === changes) return false;
    for (const [flavor, query] of this.#flavors) {
      if (signal.aborted) return false;
      await this.#countOne(flavor, query, signal);
    }
    this.#counted = { index, changes };
    return true;
  }

  async #countOne(flavor: string, query: CandidateQuery, signal: AbortSignal): Promise<void> {
    const flavors = new Map([[flavor, query]]);
    try {
      const request = { flavors, terms: ALL, suppositions: [], signal };
      const { fits } = await fit(this.#service, GAUGES, request);
      this.#fits.set(flavor, fits.get(flavor)!);
      this.#reported.delete(flavor);
    } catch (error) {
      // What was counted before is better than nothing, unless it is about something that is not there.
      if (error instanceof SearchEffortExceeded) this.#complain(flavor, error.message);
      else if (error instanceof UnknownNamesInFlavor) {
        this.#fits.delete(flavor);
        this.#complain(flavor, error.message);
      } else throw error;
    }
  }

  #complain(flavor: string, problem: string): void {
    if (this.#reported.get(flavor) === problem) return;
    this.#reported.set(flavor, problem);
    this.#report(problem);
  }
}

/** What is said elsewhere, and may be over the next time. */
function isTransient(error: unknown): boolean {
  return [DatabaseUnavailable, CandidatesOutdated, TooManySearches].some(
    (errorClass) => error instanceof errorClass,
  );
}
