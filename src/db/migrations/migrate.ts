import type { Database } from "../database.ts";
import { ensureFeedEpoch, forgetFeed, hasFeedEpoch } from "../feed-state.ts";
import { TransactionConflict } from "../../domain/errors.ts";
import { SchemaMismatch } from "../errors.ts";
import { internalContext, type DatabaseContext } from "../change.ts";
import type { ReadTransaction, WriteTransaction } from "../transaction.ts";
import { repeating, SCHEMA_CHANGE } from "../repeating.ts";
import { addColumn, additionsOf, type Addition } from "./ddl.ts";
import { addMissing, HEAD, REVISIONS } from "./revisions.ts";
import { schemaParts, tableNames } from "./schema-parts.ts";
import {
  CHANGE_DETAILS,
  STOWAGE_CHANGES,
  STOWAGE_STATE,
  STOWAGE_TABLES,
} from "./stowage-tables.ts";
import type { Table } from "./table.ts";
import { ALEMBIC_VERSION, CONSUMERS, PLACEMENT_TABLES } from "./tables.ts";

/**
 * Brings the schema to the newest revision: creates it in an empty database, upgrades an older
 * one, and adds Stowage's own tables. Does nothing where nothing is to be done, so it does not
 * matter how many processes call it at once.
 *
 * @throws {SchemaMismatch} when the database is newer than this program, holds tables that no
 *   revision is known of, or holds data that an upgrade refuses
 */
export async function migrate(database: Database): Promise<void> {
  await changeSchema(database, async (tx) => {
    const tables = await tableNames(tx);
    const revision = await findRevision(tx, tables);
    checkIsNotOfNova(revision, tables);
    if (revision !== undefined) await upgradeFrom(tx, revision);
    // A table for the revision that is empty is of a creation that is under way, or has died.
    else if (tables.has("resource_providers") && !tables.has("alembic_version")) {
      throw unknownOrigin();
    } else await createSchema(tx);
    await createStowageTables(tx);
  });
}

/**
 * Makes an existing database ready to be served: its revision has to be the newest, or one that differs
 * from it in indexes only and is left as it is. The tables of Stowage are added when they are missing.
 *
 * @throws {SchemaMismatch} says which command helps
 */
export async function adopt(database: Database): Promise<void> {
  const { revision, tables } = await describeSchema(database);
  checkIsNotOfNova(revision, tables);
  checkCanBeServed(revision);
  await ensureStowageTables(database);
}

/**
 * Looks whether a database that was adopted still has a schema that can be served.
 *
 * @throws {SchemaMismatch} says which command helps
 * @throws {MissingTable} it has none at all
 */
export async function checkSchema(database: Database, context: DatabaseContext): Promise<void> {
  checkCanBeServed(await database.reader(context, readRevision));
}

/**
 * Makes sure that there are tables, of whatever revision.
 *
 * @throws {SchemaMismatch} says which command helps
 */
export async function checkHasSchema(database: Database): Promise<void> {
  const { revision, tables } = await describeSchema(database);
  if (!tables.has("resource_providers")) throw withoutSchema();
  checkIsNotOfNova(revision, tables);
}

/**
 * Makes sure that a database can be read, as it is, without a table of our own.
 *
 * @throws {SchemaMismatch} says why not
 */
export async function checkIsReadable(database: Database): Promise<void> {
  const { revision, tables } = await describeSchema(database);
  checkIsNotOfNova(revision, tables);
  if (!tables.has("resource_providers")) {
    throw new SchemaMismatch("the database does not have the tables of Placement");
  }
  checkCanBeServed(revision);
}

/** Adds what is missing of the tables of Stowage, whatever the revision of upstream's tables. */
export async function ensureStowageTables(database: Database): Promise<void> {
  // Looks first, as a database may allow no change of its schema at other times than upgrades.
  const isComplete = await database.reader(SCHEMA_CONTEXT, async (tx) => {
    const parts = await schemaParts(tx);
    const { part } = additionOfDetails(tx);
    const hasTables = STOWAGE_TABLES.every(({ name }) => parts.has(`table ${name}`));
    return hasTables && parts.has(part) && (await hasFeedEpoch(tx));
  });
  if (isComplete) return;
  await changeSchema(database, createStowageTables);
}

/** The revision that the database is stamped with, as `db version` prints it. */
export async function currentRevision(database: Database): Promise<string | undefined> {
  return database.reader(SCHEMA_CONTEXT, async (tx) => findRevision(tx, await tableNames(tx)));
}

export interface SchemaDescription {
  /** `undefined` where there is none. */
  readonly revision: string | undefined;
  readonly tables: ReadonlySet<string>;
}

/** What is in the database, for who wants to tell what a migration has made. */
export async function describeSchema(database: Database): Promise<SchemaDescription> {
  return database.reader(SCHEMA_CONTEXT, async (tx) => {
    const tables = await tableNames(tx);
    return { tables, revision: await findRevision(tx, tables) };
  });
}

/**
 * Stamps the database with a revision, without changing anything else.
 *
 * @param revision an identifier, the beginning of one, or `head`
 * @throws {SchemaMismatch} when there is no such revision
 */
export async function stamp(database: Database, revision: string): Promise<void> {
  const id = resolveRevision(revision);
  await changeSchema(database, async (tx) => {
    await create(tx, [ALEMBIC_VERSION]);
    await writeRevision(tx, id);
  });
}

/** What the schema is changed as: it belongs to no request. */
export const SCHEMA_CONTEXT = internalContext("schema");

/** Changes the schema while no other process does. */
export async function changeSchema(
  database: Database,
  work: (tx: WriteTransaction) => Promise<void>,
): Promise<void> {
  await repeating(SCHEMA_CHANGE, () =>
    database.writer(SCHEMA_CONTEXT, (tx) => tx.adapter.withSchemaLock(tx.query, () => work(tx))),
  );
}

async function findRevision(
  tx: ReadTransaction,
  tables: ReadonlySet<string>,
): Promise<string | undefined> {
  return tables.has("alembic_version") ? readRevision(tx) : undefined;
}

async function readRevision(tx: ReadTransaction): Promise<string | undefined> {
  const rows = await tx.query.selectFrom("alembic_version").select("version_num").execute();
  if (rows.length > 1) {
    const revisions = rows.map((row) => row.version_num).join(", ");
    throw new SchemaMismatch(`the database is stamped with several revisions: ${revisions}`);
  }
  return rows[0]?.version_num;
}

async function upgradeFrom(tx: WriteTransaction, revision: string): Promise<void> {
  const current = REVISIONS.findIndex(({ id }) => id === revision);
  if (current === -1) throw newerThanProgram(revision);
  let before = revision;
  for (const { id, upgrade } of REVISIONS.slice(current + 1)) {
    await upgrade(tx);
    await moveRevision(tx, before, id);
    before = id;
  }
}

async function createSchema(tx: WriteTransaction): Promise<void> {
  await create(tx, PLACEMENT_TABLES);
  await tx.query.insertInto("alembic_version").values({ version_num: HEAD }).execute();
}

/**
 * A feed that is made gets an epoch of its own. The one before is forgotten first: where changes of the
 * schema end the transaction, no feed has the epoch of another at any moment.
 */
async function createStowageTables(tx: WriteTransaction): Promise<void> {
  const tables = await tableNames(tx);
  if (tables.has(STOWAGE_STATE.name) && !tables.has(STOWAGE_CHANGES.name)) await forgetFeed(tx);
  await create(tx, STOWAGE_TABLES);
  await addMissing(tx, [additionOfDetails(tx)]);
  await ensureFeedEpoch(tx);
}

/** An earlier release has made the table without, and goes on writing to it. */
function additionOfDetails({ adapter }: ReadTransaction): Addition {
  return addColumn(STOWAGE_CHANGES, CHANGE_DETAILS, adapter.schemaDialect.types);
}

/** Creates what is missing of the tables and their indexes. */
async function create(tx: WriteTransaction, tables: readonly Table[]): Promise<void> {
  const { types, remakesTables } = tx.adapter.schemaDialect;
  const additions = tables.flatMap((table) => {
    // Quoted where upstream's revision has renamed it: SQLite keeps the text.
    const isRenamed = remakesTables && table === CONSUMERS;
    return additionsOf(table, types, isRenamed ? `"${table.name}"` : table.name);
  });
  await addMissing(tx, additions);
}

/**
 * In one statement: where changes of the schema end the transaction, others would see a database
 * without a revision in between.
 */
async function moveRevision(tx: WriteTransaction, from: string, to: string): Promise<void> {
  const { numUpdatedRows } = await tx.query
    .updateTable("alembic_version")
    .set({ version_num: to })
    .where("version_num", "=", from)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows !== 1n) throw new TransactionConflict(`another process was first at ${to}`);
}

async function writeRevision(tx: WriteTransaction, revision: string): Promise<void> {
  await tx.query.deleteFrom("alembic_version").execute();
  await tx.query.insertInto("alembic_version").values({ version_num: revision }).execute();
}

function checkCanBeServed(revision: string | undefined): void {
  if (revision === undefined) throw withoutSchema();
  const known = REVISIONS.find(({ id }) => id === revision);
  if (!known) throw newerThanProgram(revision);
  if (known.hasAllThatIsServed) return;
  throw new SchemaMismatch(
    `the schema of the database is at revision ${revision}, needed is ${HEAD}: ` +
      'run "stowage db sync"',
  );
}

function resolveRevision(revision: string): string {
  if (revision === "head" || revision === "heads") return HEAD;
  const matches = REVISIONS.filter(({ id }) => revision !== "" && id.startsWith(revision));
  const [match] = matches;
  if (!match || matches.length > 1) {
    throw new SchemaMismatch(`Can't locate revision identified by '${revision}'`);
  }
  return match.id;
}

function withoutSchema(): SchemaMismatch {
  return new SchemaMismatch('the database has no schema: run "stowage db sync"');
}

/**
 * Nova's API database has tables by the names of Placement's, of the time before Placement had a database of
 * its own. One that is stamped with a revision of Placement has been made Placement's.
 */
function checkIsNotOfNova(revision: string | undefined, tables: ReadonlySet<string>): void {
  if (!NOVA_TABLES.every((name) => tables.has(name))) return;
  if (REVISIONS.some(({ id }) => id === revision)) return;
  throw new SchemaMismatch(
    "this is Nova's API database (nova_api), not Placement's: make an empty database for " +
      "[placement_database] connection, or copy Placement's tables from this one into it as " +
      "https://docs.openstack.org/placement/stein/admin/upgrade-to-stein.html says",
  );
}

const NOVA_TABLES = ["cell_mappings", "request_specs"];

function newerThanProgram(revision: string): SchemaMismatch {
  return new SchemaMismatch(
    `the schema of the database is at revision ${revision}, which this program does not know; ` +
      `the newest that it knows is ${HEAD}. The database was probably migrated by a newer ` +
      "release: use that release or a newer one",
  );
}

function unknownOrigin(): SchemaMismatch {
  return new SchemaMismatch(
    "the database has the tables of Placement, but is not stamped with a revision: if they are " +
      'those of a known revision, run "stowage db stamp <revision>"',
  );
}
