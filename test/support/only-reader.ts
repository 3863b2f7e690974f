import { randomBytes } from "node:crypto";

import { openOtherProgram } from "./other-program.ts";

/** A user of a database server who may read one database, and nothing else. */
export interface OnlyReader {
  /** The database, as this user. */
  readonly connection: string;
  remove(): Promise<void>;
}

/** @param connection of a database on a server, as whoever may make users */
export async function makeOnlyReader(connection: string): Promise<OnlyReader> {
  const name = `reader_${randomBytes(6).toString("hex")}`;
  const url = new URL(connection);
  const database = url.pathname.slice(1);
  const isMysql = connection.startsWith("mysql");
  const [make, drop] = isMysql
    ? [
        [
          `create user '${name}'@'%' identified by 'secret'`,
          `grant select on \`${database}\`.* to '${name}'@'%'`,
        ],
        [`drop user '${name}'@'%'`],
      ]
    : [
        [
          `create role ${name} login password 'secret'`,
          `grant select on all tables in schema public to ${name}`,
        ],
        [`drop owned by ${name}`, `drop role ${name}`],
      ];
  const run = async (statements: readonly string[]) => {
    const other = await openOtherProgram(connection);
    for (const statement of statements) await other.run(statement);
    await other.close();
  };
  await run(make);
  url.username = name;
  url.password = "secret";
  return { connection: url.href, remove: () => run(drop) };
}

/** All tables with all of their rows and columns, as one text: equal if nothing has changed. */
export async function dumpDatabase(connection: string): Promise<string> {
  const other = await openOtherProgram(connection);
  const schema = connection.startsWith("mysql") ? "database()" : "'public'";
  const columns = await other.run(
    "select table_name as t, column_name as c, data_type as d from information_schema.columns " +
      `where table_schema = ${schema} order by table_name, ordinal_position`,
  );
  const dump: unknown[] = [columns];
  for (const table of new Set(columns.map(({ t }) => String(t)))) {
    const rows = (await other.run(`select * from ${table}`)).map((row) => JSON.stringify(row));
    dump.push([table, rows.toSorted()]);
  }
  await other.close();
  return JSON.stringify(dump);
}
