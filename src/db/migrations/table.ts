/** A table as data, from which the statements of every engine are made. */
export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly constraints: readonly Constraint[];
  readonly indexes: readonly Index[];
}

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly default?: string;
}

/** `id` and `bigId` count up by themselves; the number is the length of a text. */
export type ColumnType =
  | "id"
  | "bigId"
  | "integer"
  | "bigInteger"
  | "float"
  | "dateTime"
  | "preciseDateTime"
  | "text"
  | number;

export type Constraint =
  | { readonly kind: "primary key"; readonly name?: string; readonly columns: readonly string[] }
  | { readonly kind: "unique"; readonly name: string; readonly columns: readonly string[] }
  | {
      readonly kind: "foreign key";
      readonly name?: string;
      readonly columns: readonly string[];
      /** The table of which `id` is meant. */
      readonly references: string;
    };

export interface Index {
  readonly name: string;
  readonly columns: readonly string[];
}

/** How a part of the schema is called: `table users`, or `index users.users_name_idx`. */
export type SchemaPart =
  | `table ${string}`
  | `${"column" | "index" | "foreign key"} ${string}.${string}`;

export function required(name: string, type: ColumnType): Column {
  return { name, type, nullable: false };
}

export function optional(name: string, type: ColumnType): Column {
  return { name, type, nullable: true };
}

export function primaryKey(...columns: string[]): Constraint {
  return { kind: "primary key", columns };
}

export function unique(name: string, ...columns: string[]): Constraint {
  return { kind: "unique", name, columns };
}

export function foreignKey(column: string, references: string): Constraint {
  return { kind: "foreign key", columns: [column], references };
}
