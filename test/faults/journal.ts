/** Amounts by provider and class; empty for a consumer that holds nothing. */
export type Holdings = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** One write as its client saw it. */
export interface JournalEntry {
  readonly client: number;
  readonly action: "claim" | "claim in one call" | "move" | "swap" | "delete";
  /** What each consumer was to hold from then on. */
  readonly wanted: ReadonlyMap<string, Holdings>;
  /** What became of it: `unknown` when the connection broke before the answer came. */
  outcome: "under way" | "done" | "refused" | "unknown";
  status?: number;
}

/**
 * Who wrote what, and what they were told. Every consumer belongs to one client, which waits for
 * each answer, so what a consumer may hold follows from its own entries alone.
 */
export class Journal {
  readonly entries: JournalEntry[] = [];
  readonly #certain = new Map<string, Holdings>();
  /** Writes whose outcome is not known; each happened in whole or not at all. */
  readonly #unknown: JournalEntry[] = [];

  begin(entry: Omit<JournalEntry, "outcome">): JournalEntry {
    const begun: JournalEntry = { ...entry, outcome: "under way" };
    this.entries.push(begun);
    return begun;
  }

  finish(entry: JournalEntry, status: number): void {
    entry.status = status;
    entry.outcome = status < 300 ? "done" : "refused";
    if (entry.outcome === "refused") return;
    for (const [consumer, holdings] of entry.wanted) this.#certain.set(consumer, holdings);
  }

  lose(entry: JournalEntry): void {
    entry.outcome = "unknown";
    this.#unknown.push(entry);
  }

  /** What a client knows that its consumer holds. */
  certainHoldings(consumer: string): Holdings {
    return this.#certain.get(consumer) ?? {};
  }

  /**
   * Settles the writes of unknown outcome by what is there now.
   *
   * @param read what a consumer holds according to the service
   * @returns what is wrong: writes of which a part happened
   */
  settle(read: ReadonlyMap<string, Holdings>): string[] {
    const problems: string[] = [];
    for (const entry of this.#unknown.splice(0)) {
      const happened = [...entry.wanted].map(([consumer, wanted]) => {
        const found = read.get(consumer) ?? {};
        if (isSame(found, wanted) && isSame(found, this.certainHoldings(consumer))) return "either";
        if (isSame(found, wanted)) return "done";
        return isSame(found, this.certainHoldings(consumer)) ? "absent" : "neither";
      });
      const facts = new Set(happened.filter((fact) => fact !== "either"));
      if (facts.has("neither") || facts.size > 1) {
        problems.push(`${describe(entry)} happened in part: ${happened.join(", ")}`);
      }
      for (const consumer of entry.wanted.keys()) {
        this.#certain.set(consumer, read.get(consumer) ?? {});
      }
    }
    return problems;
  }

  /** Compares what must be there with what is. */
  compare(read: ReadonlyMap<string, Holdings>): string[] {
    const consumers = new Set([...this.#certain.keys(), ...read.keys()]);
    return [...consumers].flatMap((consumer) => {
      const [expected, found] = [this.certainHoldings(consumer), read.get(consumer) ?? {}];
      if (isSame(expected, found)) return [];
      return [`${consumer} holds ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`];
    });
  }

  /** The last entries, for whoever has to find out what happened. */
  print(last = 60): string {
    return this.entries.slice(-last).map(describe).join("\n");
  }
}

function describe({ client, action, wanted, outcome, status }: JournalEntry): string {
  const what = [...wanted].map(([consumer, held]) => `${consumer} ${JSON.stringify(held)}`);
  return `client ${client}: ${action} ${what.join(" and ")}: ${outcome}${status ? ` (${status})` : ""}`;
}

export function isSame(left: Holdings, right: Holdings): boolean {
  return canonical(left) === canonical(right);
}

function canonical(holdings: Holdings): string {
  const rows = Object.entries(holdings).flatMap(([provider, resources]) =>
    Object.entries(resources).map(([name, amount]) => `${provider} ${name} ${amount}`),
  );
  return rows.toSorted().join("\n");
}
