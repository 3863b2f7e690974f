import type { NamedRecord } from "../domain/provider-record.ts";

/** The resource classes or the traits that exist, by id and by name. */
export class NameRegistry {
  readonly #byId = new Map<number, NamedRecord>();
  readonly #idByName = new Map<string, number>();
  #sorted: readonly NamedRecord[] | undefined;
  #renames = 0;
  #changes = 0;

  /** How often an id was given another name: what was written with the old one is out of date. */
  get renames(): number {
    return this.#renames;
  }

  /** Increases whenever a name may mean something else than before. */
  get changes(): number {
    return this.#changes;
  }

  /** Forgets everything else. */
  replaceAll(records: readonly NamedRecord[]): void {
    if (records.some(({ id, name }) => (this.nameOf(id) ?? name) !== name)) this.#renames += 1;
    this.#changes += 1;
    this.#byId.clear();
    this.#idByName.clear();
    for (const record of records) {
      this.#byId.set(record.id, record);
      this.#idByName.set(record.name, record.id);
    }
    const isSorted = records.every(({ id }, at) => at === 0 || records[at - 1]!.id < id);
    this.#sorted = isSorted ? records : undefined;
  }

  /** Inserts a record, or replaces the one with the same id. */
  put(record: NamedRecord): void {
    this.remove(record.id);
    this.#byId.set(record.id, record);
    this.#idByName.set(record.name, record.id);
  }

  remove(id: number): void {
    this.#changes += 1;
    this.#sorted = undefined;
    const record = this.#byId.get(id);
    if (record === undefined) return;
    this.#byId.delete(id);
    if (this.#idByName.get(record.name) === id) this.#idByName.delete(record.name);
  }

  idOf(name: string): number | undefined {
    return this.#idByName.get(name);
  }

  has(id: number): boolean {
    return this.#byId.has(id);
  }

  nameOf(id: number): string | undefined {
    return this.#byId.get(id)?.name;
  }

  /** The name of what a provider of the read model has. */
  getName(id: number): string {
    const name = this.nameOf(id);
    if (name === undefined) throw new Error(`nothing is known by the id ${id}`);
    return name;
  }

  find(id: number): NamedRecord | undefined {
    return this.#byId.get(id);
  }

  get(name: string): NamedRecord | undefined {
    const id = this.#idByName.get(name);
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** In ascending order of id. */
  list(): readonly NamedRecord[] {
    this.#sorted ??= [...this.#byId.values()].sort((a, b) => a.id - b.id);
    return this.#sorted;
  }
}
