import { BoundedMap } from "../../../domain/bounded-map.ts";
import type { CandidateListing } from "../../../operations/allocation-candidates.ts";
import { UUID_LENGTH } from "../row-texts.ts";

/** How the allocations of a candidate are written: more in newer versions. */
export interface AllocationRequestForm {
  /** A list of providers with amounts, before 1.12; by UUID since. */
  readonly isList: boolean;
  readonly hasMappings: boolean;
}

/** The text of an allocation request, after a comma, with holes for the UUIDs of providers. */
export interface RequestTemplate {
  /** The text with 36 spaces in place of each UUID. */
  readonly bytes: Buffer;
  readonly holes: readonly Hole[];
  /** One choice for each provider. */
  readonly distinctChoices: readonly number[];
  /** One choice for each provider that resources are taken from. */
  readonly takingChoices: readonly number[];
}

interface Hole {
  readonly position: number;
  /** A choice whose provider's UUID belongs there. */
  readonly choice: number;
}

/** With more choices than this, a pattern is no longer a number. */
const MAX_NUMBERED_CHOICES = 12;
const MAX_TEMPLATES = 256;

const BLANK_UUID = " ".repeat(UUID_LENGTH);

/**
 * Templates by pattern: which choices have the same provider. All candidates of one pattern differ
 * in nothing but UUIDs; in most answers there are one or two patterns.
 */
export class RequestTemplates {
  readonly #listing: CandidateListing;
  readonly #form: AllocationRequestForm;
  readonly #templates = new BoundedMap<number | string, RequestTemplate>({
    entries: MAX_TEMPLATES,
  });
  #lastKey: number | string = -1;
  #last: RequestTemplate | undefined;

  constructor(listing: CandidateListing, form: AllocationRequestForm) {
    this.#listing = listing;
    this.#form = form;
  }

  find(rows: readonly number[]): RequestTemplate {
    const key = patternKey(rows);
    if (key === this.#lastKey && this.#last !== undefined) return this.#last;
    let template = this.#templates.get(key);
    if (template === undefined) {
      template = this.#make(rows.map((row) => rows.indexOf(row)));
      this.#templates.set(key, template);
    }
    this.#lastKey = key;
    this.#last = template;
    return template;
  }

  /** @param pattern per choice, the first one that has the same provider */
  #make(pattern: readonly number[]): RequestTemplate {
    let text = "";
    const holes: Hole[] = [];
    const uuid = (choice: number) => {
      holes.push({ position: text.length + 1, choice });
      text += `"${BLANK_UUID}"`;
    };
    text += this.#form.isList ? ',{"allocations":[' : ',{"allocations":{';
    let isFirst = true;
    for (const [choice, amounts] of this.#listing.allocationsOf(pattern)) {
      if (!isFirst) text += ",";
      isFirst = false;
      const resources = JSON.stringify(Object.fromEntries(amounts));
      if (this.#form.isList) {
        text += '{"resource_provider":{"uuid":';
        uuid(choice);
        text += `},"resources":${resources}}`;
      } else {
        uuid(choice);
        text += `:{"resources":${resources}}`;
      }
    }
    text += this.#form.isList ? "]" : "}";
    if (this.#form.hasMappings) {
      text += ',"mappings":';
      let separator = "{";
      for (const [suffix, choices] of this.#listing.mappingsOf(pattern)) {
        text += `${separator}${JSON.stringify(suffix)}:`;
        separator = "[";
        for (const choice of choices) {
          text += separator;
          uuid(choice);
          separator = ",";
        }
        text += "]";
        separator = ",";
      }
      text += "}";
    }
    text += "}";
    const { choices } = this.#listing;
    return {
      bytes: Buffer.from(text, "latin1"),
      holes,
      distinctChoices: [...new Set(pattern)],
      takingChoices: [...new Set(pattern.filter((_, choice) => choices[choice]!.needs.length > 0))],
    };
  }
}

/** The same for rows that are equal in the same places. */
function patternKey(rows: readonly number[]): number | string {
  const count = rows.length;
  if (count > MAX_NUMBERED_CHOICES) return rows.map((row) => rows.indexOf(row)).join(",");
  let key = 0;
  for (let choice = 0; choice < count; choice++) {
    const row = rows[choice];
    let first = 0;
    while (rows[first] !== row) first += 1;
    key = key * count + first;
  }
  return key;
}
