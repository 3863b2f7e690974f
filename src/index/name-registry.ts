import type { NamedRecord } from "../domain/provider-record.ts";

/** The resource classes or the traits that exist, by id and by name. */
export class NameRegistry {
  readonly #byId = new Map<number, NamedRecord>();
  readonly #idByName = new Map<string, number>();
  #sorted: readonly NamedRecord[] | undefined;
  /** What comes behind those, in the order of their ids. */
  #appended: NamedRecord[] = [];
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
    this.#appended = [];
  }

  /** Inserts a record, or replaces the one with the same id. */
  put(record: NamedRecord): void {
    const known = this.#byId.get(record.id);
    if (known) {
      if (known.name !== record.name) this.#renames += 1;
      this.remove(record.id);
    }
    this.#changes += 1;
    this.#byId.set(record.id, record);
    this.#idByName.set(record.name, record.id);
    const last = this.#appended.at(-1) ?? this.#sorted?.at(-1);
    if (last && last.id < record.id) this.#appended.push(record);
    else this.#forgetOrder();
  }

  remove(id: number): void {
    this.#changes += 1;
    this.#forgetOrder();
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

  /** In ascending order of id. What was listed before stays as it is. */
  list(): readonly NamedRecord[] {
    this.#sorted ??= [...this.#byId.values()].sort((a, b) => a.id - b.id);
    if (this.#appended.length > 0) {
      this.#sorted = this.#sorted.concat(this.#appended);
      this.#appended = [];
    }
    return this.#sorted;
  }

  #forgetOrder(): void {
    this.#sorted = undefined;
    this.#appended = [];
  }
}
