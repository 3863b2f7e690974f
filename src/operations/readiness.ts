import { DatabaseUnavailable } from "../domain/errors.ts";
import { internalContext, type DatabaseContext } from "../db/change.ts";
import type { Database } from "../db/database.ts";
import { MissingTable, SchemaMismatch } from "../db/errors.ts";
import { checkSchema } from "../db/migrations/migrate.ts";

/** What is wrong with what a service needs, for operators; undefined where all is well. */
type Readiness = Readonly<Record<"database" | "schema" | "read_model", string | undefined>>;

/** Less than the five seconds after which probes mostly give up, so that they are told. */
const ANSWER_WITHIN_MS = 4000;

const ASKER = internalContext("readiness");

/**
 * Tells whether requests can be answered, by doing what each of them needs: the database is asked whether
 * it still has a schema that can be served, and the read model brought up to date. Anybody may ask, so
 * the database is asked once for all who wait, and never twice at the same time.
 */
export class ReadinessProbe {
  readonly #database: Database;
  readonly #freshen: (context: DatabaseContext) => Promise<unknown>;
  #asking: Promise<Readiness> | undefined;

  /** @param freshen brings the read model up to date */
  constructor(database: Database, freshen: (context: DatabaseContext) => Promise<unknown>) {
    this.#database = database;
    this.#freshen = freshen;
  }

  /** Answers within five seconds; rejects with what is a defect. */
  ask(): Promise<Readiness> {
    this.#asking ??= this.#probe().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #probe(): Promise<Readiness> {
    const context = { ...ASKER, deadlineMs: performance.now() + ANSWER_WITHIN_MS };
    const schema = await problemOf(checkSchema(this.#database, context));
    const model = await problemOf(this.#freshen(context));
    const away = [schema, model].find((error) => error instanceof DatabaseUnavailable)?.message;
    return {
      database: away,
      schema: schema?.message,
      read_model: model?.message,
    };
  }
}

async function problemOf(work: Promise<unknown>): Promise<Error | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof DatabaseUnavailable) return error;
    if (error instanceof SchemaMismatch || error instanceof MissingTable) return error;
    throw error;
  }
}
