import type { Column, ColumnType, Constraint, Index, SchemaPart, Table } from "./table.ts";

/** In what the engines' statements about the schema differ. */
export interface SchemaDialect {
  readonly types: ColumnTypes;
  /**
   * A foreign key cannot be added to a table: the table is made anew under another name, filled,
   * and renamed.
   */
  readonly remakesTables: boolean;
  readonly dropIndex: (name: string, tableName: string) => string;
}

/** What an engine calls the types of columns, with all that belongs to them but the length. */
type ColumnTypes = Readonly<Record<Exclude<ColumnType, number>, string>>;

/** A statement that makes a part of the schema. */
export interface Addition {
  readonly part: SchemaPart;
  readonly statement: string;
}

/**
 * The statements that make a table and its indexes.
 *
 * @param name under which the table is made, when it is not its own
 */
export function createTable(table: Table, types: ColumnTypes, name = table.name): string[] {
  return additionsOf(table, types, name).map(({ statement }) => statement);
}

/**
 * A table and its indexes, with the statements that make them. Their layout is that of SQLAlchemy,
 * because SQLite keeps the text as the definition, and dumps of the schema are to be equal.
 *
 * @param name under which the table is made, when it is not its own
 */
export function additionsOf(table: Table, types: ColumnTypes, name = table.name): Addition[] {
  const lines = [
    ...table.columns.map((column) => columnDefinition(column, types)),
    ...table.constraints.map(constraintDefinition),
  ];
  return [
    {
      part: `table ${table.name}`,
      statement: `CREATE TABLE ${name} (\n\t${lines.join(", \n\t")}\n)`,
    },
    ...table.indexes.map((index): Addition => ({
      part: `index ${table.name}.${index.name}`,
      statement: createIndex(index, table.name),
    })),
  ];
}

/** What adds a column to a table that was made without; it can only be one that may be `NULL`. */
export function addColumn(table: Table, column: Column, types: ColumnTypes): Addition {
  return {
    part: `column ${table.name}.${column.name}`,
    statement: `ALTER TABLE ${table.name} ADD COLUMN ${columnDefinition(column, types)}`,
  };
}

function createIndex(index: Index, tableName: string): string {
  return `CREATE INDEX ${index.name} ON ${tableName} (${index.columns.join(", ")})`;
}

function columnDefinition(column: Column, types: ColumnTypes): string {
  const type = typeof column.type === "number" ? `VARCHAR(${column.type})` : types[column.type];
  const byDefault = column.default === undefined ? "" : ` DEFAULT ${column.default}`;
  // A type may say so already, where words that follow have to come after it.
  const notNull = column.nullable || type.includes("NOT NULL") ? "" : " NOT NULL";
  return `${column.name} ${type}${byDefault}${notNull}`;
}

function constraintDefinition(constraint: Constraint): string {
  const name = constraint.name === undefined ? "" : `CONSTRAINT ${constraint.name} `;
  const columns = constraint.columns.join(", ");
  if (constraint.kind === "foreign key") {
    return `${name}FOREIGN KEY(${columns}) REFERENCES ${constraint.references} (id)`;
  }
  return `${name}${constraint.kind === "unique" ? "UNIQUE" : "PRIMARY KEY"} (${columns})`;
}
