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

type Row = Readonly<Record<string, unknown>>;

/** Runs a query past the service. */
export type Query = (text: string) => Promise<readonly Row[]>;

/** Reads a database file that no process has open. */
export async function readTablesOfFile(file: string): Promise<Tables> {
  const database = new DatabaseSync(file);
  const query: Query = async (text) => database.prepare(text).all();
  try {
    const { problems, ...tables } = await readTables(query);
    const damages = await findProblems(query, [INTEGRITY]);
    return { ...tables, problems: [...damages, ...problems] };
  } finally {
    database.close();
  }
}

/** Reads the tables of any engine, and checks what every state of them must meet. */
export async function readTables(query: Query): Promise<Tables> {
  return {
    holdings: await readHoldings(query),
    providerGenerations: await readGenerations(query),
    problems: await findProblems(query, RULES),
  };
}

async function findProblems(query: Query, rules: readonly Rule[]): Promise<string[]> {
  const problems: string[] = [];
  for (const { sentence, query: text } of rules) {
    const rows = await query(text);
    problems.push(...rows.map((row) => `${sentence}: ${JSON.stringify(row)}`));
  }
  return problems;
}

interface Rule {
  readonly sentence: string;
  readonly query: string;
}

const INTEGRITY: Rule = {
  sentence: "the file is damaged",
  query: "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
};

const RULES: readonly Rule[] = [
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
    sentence: "an allocation without a provider",
    query: `SELECT a.* FROM allocations AS a WHERE NOT EXISTS (
              SELECT 1 FROM resource_providers AS rp WHERE rp.id = a.resource_provider_id)`,
  },
  {
    sentence: "an allocation without an inventory",
    query: `SELECT a.* FROM allocations AS a WHERE NOT EXISTS (
              SELECT 1 FROM inventories AS i
              WHERE i.resource_provider_id = a.resource_provider_id
                AND i.resource_class_id = a.resource_class_id)`,
  },
  {
    sentence: "an inventory without a provider",
    query: `SELECT i.* FROM inventories AS i WHERE NOT EXISTS (
              SELECT 1 FROM resource_providers AS rp WHERE rp.id = i.resource_provider_id)`,
  },
  {
    sentence: "an inventory without a resource class",
    query: `SELECT i.* FROM inventories AS i WHERE NOT EXISTS (
              SELECT 1 FROM resource_classes AS rc WHERE rc.id = i.resource_class_id)`,
  },
  {
    sentence: "an aggregate of a provider that is not there",
    query: `SELECT rpa.* FROM resource_provider_aggregates AS rpa WHERE NOT EXISTS (
              SELECT 1 FROM resource_providers AS rp WHERE rp.id = rpa.resource_provider_id)`,
  },
  {
    sentence: "more is in use than there is",
    query: `SELECT i.resource_provider_id, i.resource_class_id, i.total, a.used
            FROM inventories AS i JOIN (
              SELECT resource_provider_id, resource_class_id, sum(used) AS used
              FROM allocations GROUP BY resource_provider_id, resource_class_id) AS a
              ON a.resource_provider_id = i.resource_provider_id
             AND a.resource_class_id = i.resource_class_id
            WHERE a.used > (i.total - i.reserved) * i.allocation_ratio`,
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

async function readHoldings(query: Query): Promise<Map<string, Holdings>> {
  const holdings = new Map<string, Record<string, Record<string, number>>>();
  const rows = await query(
    `SELECT a.consumer_id, rp.uuid, rc.name, a.used FROM allocations AS a
     JOIN resource_providers AS rp ON rp.id = a.resource_provider_id
     JOIN resource_classes AS rc ON rc.id = a.resource_class_id`,
  );
  for (const { consumer_id, uuid, name, used } of rows) {
    const held = holdings.get(String(consumer_id)) ?? {};
    holdings.set(String(consumer_id), held);
    (held[String(uuid)] ??= {})[String(name)] = Number(used);
  }
  return holdings;
}

async function readGenerations(query: Query): Promise<Map<string, number>> {
  const rows = await query("SELECT uuid, generation FROM resource_providers");
  return new Map(rows.map(({ uuid, generation }) => [String(uuid), Number(generation)]));
}
