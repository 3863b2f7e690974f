import { Query, type Client, type Connection, type QueryResult } from "pg";

import { BoundedMap } from "../../domain/bounded-map.ts";
import type { SeriesFailure, SessionResult } from "./session.ts";

interface PostgresStatement {
  readonly text: string;
  readonly parameters: readonly unknown[];
  readonly isSteady?: boolean | undefined;
}

interface PostgresSeries {
  /** Of the statements that were done. */
  readonly results: readonly SessionResult[];
  readonly failure?: SeriesFailure;
}

/**
 * So many statements are kept prepared on a connection, the most recently used ones: to read and to plan a
 * short one takes the server longer than to run it.
 */
const PREPARED = 100;

/**
 * A statement is prepared anew after so many uses: the plan that the server has kept may have been made
 * when a table was small enough to be read as a whole.
 */
const MAX_USES = 1000;

interface PreparedStatement {
  readonly name: string;
  uses: number;
  /** Whether the server has told that it has read it. */
  isKnown: boolean;
}

/** The prepared statement cache of a connection: statements by their texts. */
interface Prepared {
  readonly statements: BoundedMap<string, PreparedStatement>;
  /** How many names were given; none is given twice. */
  given: number;
  /** Names of which nobody knows whether there is a statement: to be closed, which never fails. */
  readonly doubtful: string[];
}

const preparedOn = new WeakMap<Client, Prepared>();

/**
 * Runs statements in one round trip: all are sent before the first is answered. PostgreSQL skips what
 * comes after one that fails, so that nothing is ever done outside of a transaction whose beginning
 * failed: they have one Sync message in common, which the driver's own pipelining does not.
 *
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 *
 * @param isPlannedEachTime whether the connection has all statements planned each time, so that each may
 *   be prepared; elsewhere only those are for which one plan will do
 */
export function runSeries(
  client: Client,
  statements: readonly PostgresStatement[],
  isPlannedEachTime: boolean,
): Promise<PostgresSeries> {
  const prepared: Prepared = preparedOn.get(client) ?? {
    statements: new BoundedMap({ entries: PREPARED }),
    given: 0,
    doubtful: [],
  };
  preparedOn.set(client, prepared);
  return new Promise((resolve) => {
    const query = new Query({ text: "series" }, (error?: Error) => {
      const results = doneOf(query).map(({ rows, rowCount }) => ({
        rows,
        affectedRows: rowCount ?? 0,
        insertId: 0,
      }));
      const done = error ? results.length : statements.length;
      trust(prepared, statements.slice(0, done));
      doubt(prepared, statements.slice(done));
      resolve(error ? { results, failure: { error } } : { results });
    });
    query.submit = (connection) => send(connection, statements, prepared, isPlannedEachTime);
    client.query(query);
  });
}

function send(
  connection: Connection,
  statements: readonly PostgresStatement[],
  prepared: Prepared,
  isPlannedEachTime: boolean,
): void {
  connection.stream.cork();
  for (const name of prepared.doubtful.splice(0)) connection.close({ type: "S", name }, true);
  for (const { text, parameters, isSteady = false } of statements) {
    // What begins and ends a transaction has no parameters, and next to nothing to be read.
    const isPrepared = parameters.length > 0 && (isPlannedEachTime || isSteady);
    const statement = isPrepared ? prepare(connection, text, prepared) : "";
    if (!isPrepared) connection.parse({ text, name: statement, types: [] }, true);
    connection.bind({ statement, values: parameters.map(asText) as string[] }, true);
    connection.describe({ type: "P", name: "" }, true);
    connection.execute({}, true);
  }
  connection.sync();
  connection.stream.uncork();
}

function trust({ statements }: Prepared, done: readonly PostgresStatement[]): void {
  for (const { text } of done) {
    const statement = statements.get(text);
    if (statement) statement.isKnown = true;
  }
}

/**
 * The first of these failed, and the server has read none of those after it that it did not know before.
 * Even the first may have to be read anew, as when its columns have changed.
 */
function doubt({ statements, doubtful }: Prepared, failed: readonly PostgresStatement[]): void {
  for (const [place, { text }] of failed.entries()) {
    const statement = statements.get(text);
    if (!statement || (place > 0 && statement.isKnown)) continue;
    statements.delete(text);
    doubtful.push(statement.name);
  }
}

/** Returns the name under which a text is prepared; messages before those that use it see to that. */
function prepare(connection: Connection, text: string, prepared: Prepared): string {
  const { statements } = prepared;
  const known = statements.get(text);
  const isWorn = known !== undefined && known.uses >= MAX_USES;
  if (isWorn) connection.close({ type: "S", name: known.name }, true);
  const statement =
    known && !isWorn ? known : { name: `s${(prepared.given += 1)}`, uses: 0, isKnown: false };
  if (statement.uses === 0) connection.parse({ text, name: statement.name, types: [] }, true);
  statement.uses += 1;
  for (const { name } of statements.set(text, statement)) {
    connection.close({ type: "S", name }, true);
  }
  return statement.name;
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
