import { canonicalUuid } from "../domain/uuid.ts";
import { ShardedMap } from "./sharded-map.ts";

/** Rows by UUID, found under any spelling of it, whichever the database has. */
export class RowsByUuid {
  readonly #rows = new ShardedMap<string, number>(hashOf);
  /** What the database has where that is not the canonical spelling, by the canonical one. */
  readonly #stored = new Map<string, string>();

  get(uuid: string): number | undefined {
    const row = this.#rows.get(uuid);
    if (row !== undefined || this.#stored.size === 0) return row;
    const stored = this.#stored.get(canonicalUuid(uuid));
    return stored === undefined ? undefined : this.#rows.get(stored);
  }

  /** @param uuid as the database has it */
  set(uuid: string, row: number): void {
    this.#rows.set(uuid, row);
    const canonical = canonicalUuid(uuid);
    if (canonical !== uuid) this.#stored.set(canonical, uuid);
  }

  /** Does nothing where the UUID is that of another row by now. */
  delete(uuid: string, row: number): void {
    if (this.#rows.get(uuid) !== row) return;
    this.#rows.delete(uuid);
    const canonical = canonicalUuid(uuid);
    if (this.#stored.get(canonical) === uuid) this.#stored.delete(canonical);
  }

  /** Gives the UUID of a row to another one, unless it is that of a third by now. */
  move(uuid: string, from: number, to: number): void {
    if (this.#rows.get(uuid) === from) this.#rows.set(uuid, to);
  }
}

/** By its last digits, which differ also where UUIDs were made one after the other. */
function hashOf(uuid: string): number {
  const { length } = uuid;
  return uuid.charCodeAt(length - 1) + 7 * uuid.charCodeAt(length - 2);
}
