import { DatabaseSync } from "node:sqlite";

import { openOtherProgram } from "./other-program.ts";

/** Runs statements as a program does that knows nothing of foreign keys. */
export async function runUnchecked(
  connection: string,
  statements: readonly string[],
): Promise<void> {
  if (connection.startsWith("sqlite")) {
    const database = openFile(connection);
    for (const statement of statements) database.exec(statement);
    database.close();
    return;
  }
  const other = await openOtherProgram(connection);
  await other.run(
    connection.startsWith("mysql")
      ? "SET foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'"
      : "SET session_replication_role = replica",
  );
  for (const statement of statements) await other.run(statement);
  await other.close();
}

/** The rows of a statement that reads. */
export async function readUnchecked<Row>(connection: string, statement: string): Promise<Row[]> {
  if (connection.startsWith("sqlite")) {
    const database = openFile(connection);
    const rows = database.prepare(statement).all() as unknown as Row[];
    database.close();
    return rows.map((row) => ({ ...row }));
  }
  const other = await openOtherProgram(connection);
  const rows = await other.run(statement);
  await other.close();
  return rows as unknown as Row[];
}

function openFile(connection: string): DatabaseSync {
  const file = connection.replace("sqlite:///", "");
  return new DatabaseSync(file, { enableForeignKeyConstraints: false });
}
