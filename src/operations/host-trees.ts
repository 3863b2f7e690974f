import { HostNotFound } from "../domain/errors.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "../search/budget.ts";
import { findHosts } from "../search/find-hosts.ts";

/**
 * The trees of the providers that have one of these UUIDs or names.
 *
 * @throws HostNotFound there is none by one of them
 */
export function* findTrees(
  index: IndexReader,
  time: number,
  hosts: readonly string[],
  budget: Budget,
): Generator<void, Set<number>> {
  const found = yield* findHosts(index, time, hosts, budget);
  for (const host of hosts) if (!found.has(host)) throw new HostNotFound(host);
  return new Set(found.values().map(({ tree }) => tree));
}
