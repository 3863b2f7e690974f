import mysql from "mysql2/promise";
import { Client } from "pg";

/** A session of a program that is not Stowage, and knows nothing of it. */
export interface OtherProgram {
  /** Runs a statement that is the same on every engine. */
  run(statement: string): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

/** @param connection of a database on a server, as `TestDatabase` has it */
export async function openOtherProgram(connection: string): Promise<OtherProgram> {
  if (connection.startsWith("mysql")) {
    const session = await mysql.createConnection({ uri: connection, decimalNumbers: true });
    return {
      async run(statement) {
        const [rows] = await session.query(statement);
        return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
      },
      close: () => session.end(),
    };
  }
  const session = new Client({ connectionString: connection });
  await session.connect();
  return {
    run: async (statement) => (await session.query<Record<string, unknown>>(statement)).rows,
    close: () => session.end(),
  };
}
