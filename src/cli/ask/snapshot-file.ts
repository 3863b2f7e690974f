import { readFile } from "node:fs/promises";

import { HttpError } from "../../api/http-error.ts";
import { parseJson } from "../../api/validation/parse-json.ts";
import { defineSchema } from "../../api/validation/schema.ts";
import { messageOf } from "../../config/operator-error.ts";
import { MAX_ALLOCATION_RATIO, MAX_INT } from "../../domain/inventory.ts";
import type { NamedRecord, ProviderRecord } from "../../domain/provider-record.ts";
import { ProviderIndex } from "../../index/provider-index.ts";
import { printable } from "../../observability/logger.ts";
import type { StillRecords } from "../../operations/open-service.ts";
import { STANDARD_RESOURCE_CLASSES, STANDARD_TRAITS } from "../../standard/standard-names.ts";
import { CannotAsk } from "./service-client.ts";

const NEWLINE = 0x0a;

/** What stands in the file may be of any length. */
const MAX_PROBLEM = 300;

/** The columns of the tables hold no more; rows that no request can have made may have less than zero. */
const COLUMN = { type: "integer", minimum: -MAX_INT - 1, maximum: MAX_INT };
const TEXT = { type: "string", maxLength: 255 };
const NAMES = { type: "array", maxItems: 10_000, items: TEXT };

const INVENTORY = {
  type: "object",
  properties: {
    total: COLUMN,
    reserved: COLUMN,
    min_unit: COLUMN,
    max_unit: COLUMN,
    step_size: COLUMN,
    allocation_ratio: {
      type: "number",
      minimum: -MAX_ALLOCATION_RATIO,
      maximum: MAX_ALLOCATION_RATIO,
    },
    used: { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
  },
  required: ["total", "reserved", "min_unit", "max_unit", "step_size", "allocation_ratio", "used"],
};

const PROVIDER = defineSchema<SnapshotProvider>({
  type: "object",
  properties: {
    uuid: TEXT,
    name: TEXT,
    generation: COLUMN,
    root_provider_uuid: TEXT,
    parent_provider_uuid: { anyOf: [TEXT, { type: "null" }] },
    traits: NAMES,
    aggregates: NAMES,
    inventories: { type: "object", maxProperties: 10_000, additionalProperties: INVENTORY },
  },
  required: [
    "uuid",
    "name",
    "generation",
    "root_provider_uuid",
    "parent_provider_uuid",
    "traits",
    "aggregates",
    "inventories",
  ],
});

const WHOLE = defineSchema<{ readonly position: string; readonly providers: readonly unknown[] }>({
  type: "object",
  properties: { position: { type: "string", maxLength: 4096 }, providers: { type: "array" } },
  required: ["position", "providers"],
});

const HEAD = defineSchema<{ readonly position: string }>({
  type: "object",
  properties: {
    position: { type: "string", maxLength: 4096 },
    providers: { type: "integer", minimum: 0 },
  },
  required: ["position", "providers"],
});

interface SnapshotProvider {
  readonly uuid: string;
  readonly name: string;
  readonly generation: number;
  readonly root_provider_uuid: string;
  readonly parent_provider_uuid: string | null;
  readonly traits: readonly string[];
  readonly aggregates: readonly string[];
  readonly inventories: Readonly<Record<string, SnapshotInventory>>;
}

interface SnapshotInventory {
  readonly total: number;
  readonly reserved: number;
  readonly min_unit: number;
  readonly max_unit: number;
  readonly step_size: number;
  readonly allocation_ratio: number;
  readonly used: number;
}

/**
 * Reads what `stowage snapshot` has written, in either form, with all fields.
 *
 * @throws CannotAsk names the line that is wrong
 */
export async function readSnapshot(path: string): Promise<StillRecords> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new CannotAsk(`${path} cannot be read: ${messageOf(error)}`);
  }
  const builder = new SnapshotBuilder();
  let number = 0;
  try {
    for (const line of isOneDocument(bytes) ? [bytes] : linesOf(bytes)) {
      number += 1;
      builder.take(line);
    }
    number = 0;
    return builder.finish();
  } catch (error) {
    if (!(error instanceof HttpError) && !(error instanceof NoSnapshot)) throw error;
    const place = number === 0 ? path : `${path}, line ${number}`;
    // What is wrong comes first; the rest is the schema, and what stands there instead.
    const [problem = ""] = error.message.split("\n");
    throw new CannotAsk(`${place}: ${printable(problem.slice(0, MAX_PROBLEM))}`);
  }
}

class NoSnapshot extends Error {}

/** A document that somebody has looked at with a tool may have been broken into lines by it. */
function isOneDocument(bytes: Buffer): boolean {
  return /^\{\s*$/.test(bytes.toString("latin1", 0, Math.min(bytes.indexOf(NEWLINE), 10)));
}

function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length;) {
    const found = bytes.indexOf(NEWLINE, start);
    const end = found === -1 ? bytes.length : found;
    if (end > start) yield bytes.subarray(start, end);
    start = end + 1;
  }
}

/** Makes a read model of the lines of a snapshot. */
class SnapshotBuilder {
  readonly #index = new ProviderIndex();
  readonly #classes = new Names(STANDARD_RESOURCE_CLASSES);
  readonly #traits = new Names(STANDARD_TRAITS);
  readonly #ids = new Map<string, number>();
  readonly #providers: SnapshotProvider[] = [];
  #position: string | undefined;
  #hasEnd = false;

  take(line: Buffer): void {
    if (this.#hasEnd) throw new NoSnapshot("there is more after the end of the snapshot");
    const value = parseJson(line, 0, true);
    if (this.#position === undefined) this.#begin(value);
    else if (isEnd(value)) this.#hasEnd = true;
    else this.#add(value);
  }

  /** All of it at once, as a parent may come after its child. */
  finish(): StillRecords {
    if (this.#position === undefined) throw new NoSnapshot("there is nothing in it");
    if (!this.#hasEnd) throw new NoSnapshot("it is cut off: its end is missing");
    const records = this.#providers.map((provider, at) => this.#toRecord(provider, at + 1));
    this.#index.resourceClasses.replaceAll(this.#classes.records());
    this.#index.traits.replaceAll(this.#traits.records());
    for (const record of records) this.#index.put(record);
    return { index: this.#index, position: this.#position, consumerSpellings: new Map() };
  }

  /** The first line, or all of it in one. */
  #begin(value: unknown): void {
    if (!hasList(value)) {
      this.#position = HEAD.validate(value).position;
      return;
    }
    const { position, providers } = WHOLE.validate(value);
    this.#position = position;
    for (const provider of providers) this.#add(provider);
    this.#hasEnd = true;
  }

  #add(value: unknown): void {
    const provider = PROVIDER.validate(value);
    if (this.#ids.has(provider.uuid)) {
      throw new NoSnapshot(`the provider ${provider.uuid} is in it twice`);
    }
    this.#providers.push(provider);
    this.#ids.set(provider.uuid, this.#providers.length);
  }

  #toRecord(provider: SnapshotProvider, id: number): ProviderRecord {
    const { parent_provider_uuid: parent, root_provider_uuid: root } = provider;
    const inventories = Object.entries(provider.inventories).map(([name, inventory]) => ({
      resourceClassId: this.#classes.idOf(name),
      total: inventory.total,
      reserved: inventory.reserved,
      minUnit: inventory.min_unit,
      maxUnit: inventory.max_unit,
      stepSize: inventory.step_size,
      allocationRatio: inventory.allocation_ratio,
      used: inventory.used,
    }));
    return {
      id,
      uuid: provider.uuid,
      name: provider.name,
      generation: provider.generation,
      parentId: parent === null ? null : this.#idOf(parent, provider),
      rootId: this.#idOf(root, provider),
      inventories: inventories.sort((left, right) => left.resourceClassId - right.resourceClassId),
      traitIds: [...new Set(provider.traits.map((name) => this.#traits.idOf(name)))].sort(
        (left, right) => left - right,
      ),
      aggregates: [...new Set(provider.aggregates)],
    };
  }

  #idOf(uuid: string, { uuid: of }: SnapshotProvider): number {
    const id = this.#ids.get(uuid);
    if (id !== undefined) return id;
    throw new NoSnapshot(
      `${uuid}, which is in the tree of ${of}, is not in it: take a snapshot of whole trees`,
    );
  }
}

function hasList(value: unknown): boolean {
  return typeof value === "object" && value !== null && "providers" in value
    ? Array.isArray(value.providers)
    : false;
}

function isEnd(value: unknown): boolean {
  return typeof value === "object" && value !== null && "end" in value && value.end === true;
}

/** Gives each name an id: the standard ones those that they have everywhere. */
class Names {
  readonly #ids: Map<string, number>;

  constructor(standard: readonly string[]) {
    this.#ids = new Map(standard.map((name, id) => [name, id]));
  }

  idOf(name: string): number {
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const id = this.#ids.size;
    this.#ids.set(name, id);
    return id;
  }

  records(): NamedRecord[] {
    return [...this.#ids].map(([name, id]) => ({ id, name, createdAt: null, updatedAt: null }));
  }
}
