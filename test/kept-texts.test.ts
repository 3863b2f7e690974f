import { expect, test } from "vitest";

import { MAX_MICROVERSION, MIN_MICROVERSION } from "../src/api/microversions.ts";
import { PageTexts, type WriteProvider } from "../src/api/page-texts.ts";
import { formOfList, listedProvider } from "../src/api/placement/resource-providers/list-form.ts";
import { renderProvider } from "../src/api/placement/resource-providers/rendering.ts";
import { frameOfList, ProvidersWriter, type Frame } from "../src/api/providers-writer.ts";
import { parseQuery } from "../src/api/queries/query-string.ts";
import type { ProviderRecord } from "../src/domain/provider-record.ts";
import { ProviderIndex } from "../src/index/provider-index.ts";
import { ProviderListing, type ProviderConditions } from "../src/operations/provider-listing.ts";
import { providerUuid } from "./support/fleet.ts";

/** Some pages, and an answer of some slices. */
const PROVIDERS = 3000;
const ROUNDS = 12;
const TRAIT = 7;
const SEED = Number(process.env["STOWAGE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

const LINES: Frame = { begin: "{}", opening: "\n", end: "\nend", empty: "\nend" };

const WITH_TRAIT: ProviderConditions = {
  filter: {
    resources: new Map(),
    requiredTraits: [new Set(["CUSTOM_A"])],
    forbiddenTraits: new Set(),
    memberOf: [],
    forbiddenAggregates: new Set(),
    inTree: undefined,
  },
};

test(`what is kept of providers is what they are when an answer begins (STOWAGE_SEED=${SEED})`, () => {
  const fleet = new RandomFleet();
  const kinds = new Set<string>();
  for (let round = 0; round < ROUNDS; round += 1) {
    fleet.change(pick(4) === 0 ? 2000 : pick(20));
    for (const conditions of [{}, WITH_TRAIT]) {
      for (const microversion of [MAX_MICROVERSION, MIN_MICROVERSION]) {
        const frame = pick(2) === 0 ? LINES : frameOfList('{"list":');
        const asked = { microversion, query: parseQuery(""), mountPoint: "" };
        const expected = fleet.told(asked, conditions);
        const { text, slices } = fleet.write(asked, conditions, frame);
        const told =
          frame === LINES
            ? text.slice("{}\n".length, -"\nend".length).split("\n").filter(Boolean).join()
            : text.slice('{"list":['.length, -"]}".length);
        expect(told === expected, `seed ${SEED}`).toBe(true);
        kinds.add(slices > 1 ? "several slices" : "one slice");
      }
    }
  }
  expect(kinds).toContain("several slices");
});

test("a page of providers of which there is very much to tell is written one by one", () => {
  const fleet = new RandomFleet();
  fleet.put({ ...fleet.record(1000), name: "x".repeat(300_000) });
  fleet.put({ ...fleet.record(1001), name: "y".repeat(300_000) });
  const asked = { microversion: MAX_MICROVERSION, query: parseQuery(""), mountPoint: "" };
  for (const frame of [frameOfList('{"list":'), frameOfList('{"list":')]) {
    const expected = fleet.told(asked, {});
    const { text } = fleet.write(asked, {}, frame);
    expect(text === `{"list":[${expected}]}`).toBe(true);
    fleet.change(5);
  }
});

test("nothing is told of a fleet without providers", () => {
  const fleet = new RandomFleet(0);
  const asked = { microversion: MAX_MICROVERSION, query: parseQuery(""), mountPoint: "" };
  expect(fleet.write(asked, {}, frameOfList('{"list":')).text).toBe('{"list":[]}');
  expect(fleet.write(asked, {}, LINES).text).toBe("{}\nend");
  expect(fleet.write(asked, WITH_TRAIT, frameOfList('{"list":')).text).toBe('{"list":[]}');
});

test("what is kept of all forms together is bounded, and what nobody asked for lately makes room", () => {
  const index = new ProviderIndex();
  const record = new RandomFleet(1).record(1);
  for (let id = 1; id < 2048; id += 1) {
    index.put({ ...record, id, rootId: id, uuid: providerUuid(id) });
  }
  const text = "x".repeat(3000);
  const bytesOf = (texts: PageTexts) =>
    index.pages.reduce((sum, page) => sum + (texts.find(page)?.bytes.length ?? 0), 0);
  const forms = Array.from({ length: 60 }, (_, number) => {
    const texts = PageTexts.for(index, `form ${number}`);
    for (const page of index.pages) texts.make(page, (out) => out.text(text));
    expect(bytesOf(texts)).toBeGreaterThan(0);
    return texts;
  });
  const keptNow = forms.map(bytesOf);
  const kept = keptNow.reduce((sum, length) => sum + length, 0);
  expect(kept).toBeGreaterThan(100 * 1024 * 1024);
  expect(kept).toBeLessThanOrEqual(160 * 1024 * 1024);
  expect(keptNow[0]).toBe(0);
  expect(keptNow.at(-1)).toBeGreaterThan(0);
});

interface Asked {
  readonly microversion: typeof MAX_MICROVERSION;
  readonly query: ReturnType<typeof parseQuery>;
  readonly mountPoint: string;
}

class RandomFleet {
  readonly #index = new ProviderIndex();
  readonly #records = new Map<number, ProviderRecord>();
  #nextId = 1;

  constructor(size = PROVIDERS) {
    this.#index.traits.replaceAll([
      { id: TRAIT, name: "CUSTOM_A", createdAt: null, updatedAt: null },
    ]);
    for (let number = 0; number < size; number += 1) this.#make();
  }

  record(id: number): ProviderRecord {
    return this.#records.get(id)!;
  }

  put(record: ProviderRecord): void {
    this.#records.set(record.id, record);
    this.#index.put(record);
  }

  /** Claims mostly, all over the fleet. */
  change(times: number): void {
    for (let time = 0; time < times; time += 1) {
      const id = 1 + pick(this.#nextId);
      const record = this.#records.get(id);
      const kind = pick(20);
      if (record === undefined || kind === 0) this.#make();
      else if (kind === 1 && this.#mayGo(id)) {
        this.#records.delete(id);
        this.#index.remove(id);
      } else if (kind === 2) {
        this.put({ ...record, traitIds: pick(2) === 0 ? [] : [TRAIT] });
      } else {
        const generation = record.generation + 1;
        this.#records.set(id, { ...record, generation });
        this.#index.applyUsage(id, generation, new Map());
      }
    }
  }

  /** As it is now, in the plainest way. */
  told(asked: Asked, { filter }: ProviderConditions): string {
    return [...this.#records.values()]
      .filter(({ traitIds }) => filter === undefined || traitIds.includes(TRAIT))
      .toSorted((left, right) => left.id - right.id)
      .map((record) =>
        JSON.stringify(
          renderProvider(asked, {
            uuid: record.uuid,
            name: record.name,
            generation: record.generation,
            parentProviderUuid: record.parentId === null ? null : uuidOf(record.parentId),
            rootProviderUuid: uuidOf(record.rootId),
          }),
        ),
      )
      .join();
  }

  /** As an answer has it, with changes after each slice. */
  write(asked: Asked, conditions: ProviderConditions, frame: Frame) {
    const listing = new ProviderListing(this.#index, conditions);
    const texts = PageTexts.for(this.#index, `${frame.opening} ${formOfList(asked)}`);
    const listed = listedProvider(this.#index, asked);
    const write: WriteProvider = (out, row) => {
      const start = out.length;
      listed(out, row);
      if (frame === LINES) out.overwrite(start, "\n".charCodeAt(0));
    };
    const writer = new ProvidersWriter(listing, texts, write, frame);
    const parts: Uint8Array[] = [];
    let slices = 0;
    while (!writer.isDone) {
      writer.writeSlice();
      const bytes = writer.take();
      parts.push(...(bytes instanceof Uint8Array ? [bytes] : bytes));
      slices += 1;
      if (writer.isDone) break;
      listing.hold();
      this.change(pick(300));
    }
    listing.close();
    return { text: Buffer.concat(parts).toString(), slices };
  }

  #make(): void {
    const id = this.#nextId++;
    const near = this.#records.get(Math.max(1, id - 1 - pick(8)));
    const parent = near?.parentId === null && pick(3) === 0 ? near : undefined;
    this.put({
      id,
      uuid: uuidOf(id),
      name: `host "${id}" ü ${"n".repeat(pick(400))}`,
      generation: pick(10),
      parentId: parent?.id ?? null,
      rootId: parent?.rootId ?? id,
      inventories: [],
      traitIds: pick(2) === 0 ? [] : [TRAIT],
      aggregates: [],
    });
  }

  /** Nobody's parent or root. */
  #mayGo(id: number): boolean {
    const others = Array.from({ length: 10 }, (_, at) => this.#records.get(id + at + 1));
    return others.every((it) => it?.parentId !== id);
  }
}

/** Not all of them fit where the plain ones go. */
function uuidOf(id: number): string {
  return id % 500 === 3 ? `odd-${id}` : providerUuid(id);
}

function pick(count: number): number {
  return Math.floor(random() * count);
}

let state = SEED;

/** Mulberry32. */
function random(): number {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
