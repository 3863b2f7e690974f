import { Query, type Client, type Connection, type QueryResult } from "pg";

import type { SeriesFailure, SessionResult } from "./session.ts";

export interface PostgresStatement {
  readonly text: string;
  readonly parameters: readonly unknown[];
}

export interface PostgresSeries {
  /** Of the statements that were done. */
  readonly results: readonly SessionResult[];
  readonly failure?: SeriesFailure;
}

/**
 * Runs statements in one round trip: all are sent before the first is answered. PostgreSQL skips what
 * comes after one that fails, so that nothing is ever done outside of a transaction whose beginning
 * failed: they have one Sync message in common, which the driver's own pipelining does not.
 *
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
export function runSeries(
  client: Client,
  statements: readonly PostgresStatement[],
): Promise<PostgresSeries> {
  return new Promise((resolve) => {
    const query = new Query({ text: "series" }, (error?: Error) => {
      const results = doneOf(query).map(({ rows, rowCount }) => ({
        rows,
        affectedRows: rowCount ?? 0,
        insertId: 0,
      }));
      resolve(error ? { results, failure: { error } } : { results });
    });
    query.submit = (connection) => send(connection, statements);
    client.query(query);
  });
}

function send(connection: Connection, statements: readonly PostgresStatement[]): void {
  connection.stream.cork();
  for (const { text, parameters } of statements) {
    connection.parse({ text, name: "", types: [] }, true);
    connection.bind({ values: parameters.map(asText) as string[] }, true);
    connection.describe({ type: "P", name: "" }, true);
    connection.execute({}, true);
  }
  connection.sync();
  connection.stream.uncork();
}

/** As the server reads it; what a query builder binds are texts, numbers and booleans. */
function asText(value: unknown): string | null {
  return value === null || value === undefined ? null : `${value as string | number | boolean}`;
}

/** The driver collects the results of a text of several statements in the same way. */
function doneOf(query: Query): readonly QueryResult<object>[] {
  const { _results: results } = query as unknown as {
    readonly _results: QueryResult<object> | readonly QueryResult<object>[];
  };
  return [results].flat().filter(({ command }) => command !== null);
}
