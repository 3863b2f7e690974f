import { DatabaseSync } from "node:sqlite";

import type { Holdings } from "./journal.ts";

/** What the tables say, read from outside while the service is down. */
export interface Tables {
  readonly holdings: ReadonlyMap<string, Holdings>;
  /** By UUID of the provider. */
  readonly providerGenerations: ReadonlyMap<string, number>;
  /** What must never be, as sentences. */
  readonly problems: readonly string[];
}

/** Reads a database file that no process has open, and checks what every state of it must meet. */
export function readTables(file: string): Tables {
  const database = new DatabaseSync(file);
  try {
    const problems = RULES.flatMap(({ sentence, query }) =>
      database
        .prepare(query)
        .all()
        .map((row) => `${sentence}: ${JSON.stringify(row)}`),
    );
    return {
      holdings: readHoldings(database),
      providerGenerations: readGenerations(database),
      problems,
    };
  } finally {
    database.close();
  }
}

/** Each holds when its query finds nothing. The first is about a file of SQLite. */
export const RULES: readonly { readonly sentence: string; readonly query: string }[] = [
  {
    sentence: "the file is damaged",
    query: "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
  },
  {
    sentence: "a consumer without allocations",
    query: `SELECT c.uuid FROM consumers AS c
            WHERE NOT EXISTS (SELECT 1 FROM allocations AS a WHERE a.consumer_id = c.uuid)`,
  },
  {
    sentence: "an allocation without a consumer",
    query: `SELECT a.* FROM allocations AS a
            WHERE NOT EXISTS (SELECT 1 FROM consumers AS c WHERE c.uuid = a.consumer_id)`,
  },
  {
    sentence: "an allocation without an inventory",
    query: `SELECT a.* FROM allocations AS a WHERE NOT EXISTS (
              SELECT 1 FROM inventories AS i
              WHERE i.resource_provider_id = a.resource_provider_id
                AND i.resource_class_id = a.resource_class_id)`,
  },
  {
    sentence: "more is in use than there is",
    query: `SELECT i.resource_provider_id, i.resource_class_id, i.total, sum(a.used) AS used
            FROM inventories AS i JOIN allocations AS a
              ON a.resource_provider_id = i.resource_provider_id
             AND a.resource_class_id = i.resource_class_id
            GROUP BY i.id
            HAVING sum(a.used) > max((i.total - i.reserved) * i.allocation_ratio)`,
  },
  {
    sentence: "a consumer holds a class of a provider twice",
    query: `SELECT consumer_id, resource_provider_id, resource_class_id FROM allocations
            GROUP BY 1, 2, 3 HAVING count(*) > 1`,
  },
  {
    sentence: "two consumers with one UUID",
    query: "SELECT uuid FROM consumers GROUP BY uuid HAVING count(*) > 1",
  },
];

function readHoldings(database: DatabaseSync): Map<string, Holdings> {
  const holdings = new Map<string, Record<string, Record<string, number>>>();
  const rows = database
    .prepare(
      `SELECT a.consumer_id, rp.uuid, rc.name, a.used FROM allocations AS a
       JOIN resource_providers AS rp ON rp.id = a.resource_provider_id
       JOIN resource_classes AS rc ON rc.id = a.resource_class_id`,
    )
    .all();
  for (const { consumer_id, uuid, name, used } of rows) {
    const held = holdings.get(String(consumer_id)) ?? {};
    holdings.set(String(consumer_id), held);
    (held[String(uuid)] ??= {})[String(name)] = Number(used);
  }
  return holdings;
}

function readGenerations(database: DatabaseSync): Map<string, number> {
  const rows = database.prepare("SELECT uuid, generation FROM resource_providers").all();
  return new Map(rows.map(({ uuid, generation }) => [String(uuid), Number(generation)]));
}
