import type { DatabaseAdapter } from "./adapter.ts";
import type { DatabaseDate } from "./schema.ts";

/** When a row was changed last, or else made: in whole seconds since 1970, as the HTTP header has it. */
export function modifiedAtOf(
  adapter: Pick<DatabaseAdapter, "decodeDate">,
  row: { readonly created_at: DatabaseDate | null; readonly updated_at: DatabaseDate | null },
): number | undefined {
  const date = adapter.decodeDate(row.updated_at) ?? adapter.decodeDate(row.created_at);
  return date ? Math.floor(date.getTime() / 1000) : undefined;
}
