import type { DatabaseContext } from "../db/change.ts";
import { tableNames } from "../db/migrations/schema-parts.ts";
import { listRefusals as listWrittenRefusals } from "../db/refusals.ts";
import { RefusalsNotKept } from "../domain/errors.ts";
import type { NotedRefusal, RefusalFilter } from "../domain/noted-refusal.ts";
import type { Service } from "./service.ts";

interface RefusalList {
  /** The newest first. */
  readonly refusals: readonly NotedRefusal[];
  /** How many this process could not write down. */
  readonly dropped: number;
}

/**
 * What requests did not get: of all processes what is written down, and what this one still has in memory.
 *
 * @throws RefusalsNotKept there is no place where they are written down
 */
export async function listRefusals(
  service: Service,
  context: DatabaseContext,
  filter: RefusalFilter,
  limit: number,
): Promise<RefusalList> {
  const written = await readWritten(service, context, filter, limit);
  // One request is refused once. What is in memory may know more by now.
  const byRequest = new Map(written.map((refusal) => [refusal.requestId, refusal]));
  for (const refusal of service.refusals.list(filter, limit)) {
    byRequest.set(refusal.requestId, refusal);
  }
  const refusals = [...byRequest.values()]
    .toSorted((a, b) => b.at.getTime() - a.at.getTime())
    .slice(0, limit);
  return { refusals, dropped: service.refusals.dropped };
}

/** A database that is only read may be one that nothing but Placement has served. */
async function readWritten(
  { database }: Service,
  context: DatabaseContext,
  filter: RefusalFilter,
  limit: number,
): Promise<NotedRefusal[]> {
  try {
    return await database.readOnce(context, (tx) => listWrittenRefusals(tx, filter, limit));
  } catch (error) {
    const tables = await database.readOnce(context, tableNames);
    throw tables.has("stowage_refusals") ? error : new RefusalsNotKept();
  }
}
