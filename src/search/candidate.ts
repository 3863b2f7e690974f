import type { IndexReader } from "../index/reader.ts";
import type { ProviderChoice } from "./provider-choice.ts";

/** What the rows of a candidate are for. */
type Choices = readonly Pick<ProviderChoice, "suffix" | "needs">[];

/**
 * The amounts that a candidate takes, by row and resource class, each in the order in which the
 * query names them. What several choices take from one inventory is added up.
 *
 * @param rows per choice, the row of the provider
 */
export function allocationsOf(
  choices: Choices,
  rows: readonly number[],
): Map<number, Map<string, number>> {
  const allocations = new Map<number, Map<string, number>>();
  choices.forEach(({ needs }, choice) => {
    const row = rows[choice]!;
    for (const { resourceClass, amount } of needs) {
      const amounts = allocations.get(row) ?? new Map<string, number>();
      amounts.set(resourceClass, (amounts.get(resourceClass) ?? 0) + amount);
      allocations.set(row, amounts);
    }
  });
  return allocations;
}

/** The rows of the providers that meet each request group, by suffix. */
export function mappingsOf(choices: Choices, rows: readonly number[]): Map<string, Set<number>> {
  const mappings = new Map<string, Set<number>>();
  choices.forEach(({ suffix }, choice) => {
    const providers = mappings.get(suffix) ?? new Set<number>();
    mappings.set(suffix, providers.add(rows[choice]!));
  });
  return mappings;
}

/** A candidate as whoever claims it names it. */
export interface NamedCandidate {
  readonly allocations: readonly {
    readonly providerUuid: string;
    readonly resources: ReadonlyMap<string, number>;
  }[];
  /** The UUIDs of the providers that meet each request group, by suffix. */
  readonly mappings: ReadonlyMap<string, readonly string[]>;
}

export function nameCandidate(
  index: IndexReader,
  choices: Choices,
  rows: readonly number[],
): NamedCandidate {
  return {
    allocations: Array.from(allocationsOf(choices, rows), ([row, resources]) => ({
      providerUuid: index.uuidOf(row),
      resources,
    })),
    mappings: new Map(
      Array.from(mappingsOf(choices, rows), ([suffix, providers]) => [
        suffix,
        Array.from(providers, (row) => index.uuidOf(row)),
      ]),
    ),
  };
}
