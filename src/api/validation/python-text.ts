/**
 * Values in Python's notation, as they stand in upstream's validation errors: single quotes,
 * `None`, `True`. Bounded: what a client sent is never echoed at length.
 */

/** How much of a value is shown. Upstream shows all, and answers with hundreds of KiB. */
const MAX_SHOWN = 300;

/** `repr(value)`, cut when long. */
export function represent(value: unknown, limit = MAX_SHOWN): string {
  const text = write(value, limit, false);
  return text.length <= limit ? text : `${text.slice(0, limit).toWellFormed()}...`;
}

/** `pprint.pformat(value, width=72)`: keys sorted, one item a line where a line would not do. */
export function prettyPrint(value: unknown, limit = MAX_SHOWN): string {
  const line = write(value, limit, true);
  return line.length <= limit ? layOut(value, 0, 0) : `${line.slice(0, limit).toWellFormed()}...`;
}

const WIDTH = 72;

/** pprint's way: on one line if it fits, else one item a line, aligned behind the bracket. */
function layOut(value: unknown, indent: number, allowance: number): string {
  const line = write(value, Infinity, true);
  if (typeof value !== "object" || value === null) return line;
  if (line.length <= WIDTH - indent - allowance) return line;
  const isArray = Array.isArray(value);
  const entries = isArray ? value.map((item) => ["", item] as const) : sortedEntries(value);
  const items = entries.map(([key, item], at) => {
    const label = isArray ? "" : `${write(key, Infinity, true)}: `;
    const isLast = at === entries.length - 1;
    return label + layOut(item, indent + 1 + label.length, isLast ? allowance + 1 : 1);
  });
  const body = items.join(`,\n${" ".repeat(indent + 1)}`);
  return isArray ? `[${body}]` : `{${body}}`;
}

/** On one line; stops soon after `limit` characters. */
function write(value: unknown, limit: number, isSorted: boolean): string {
  switch (typeof value) {
    case "string":
      return quote(value.length > limit ? value.slice(0, limit + 1) : value);
    case "number":
      return writeNumber(value);
    case "boolean":
      return value ? "True" : "False";
    default:
      if (typeof value !== "object" || value === null) return "None";
      return writeItems(value, limit, isSorted);
  }
}

function writeItems(value: object, limit: number, isSorted: boolean): string {
  if (Array.isArray(value)) {
    return writeList("[", value, limit, (item, left) => write(item, left, isSorted));
  }
  const members = value as Readonly<Record<string, unknown>>;
  const keys = isSorted ? smallest(Object.keys(members), limit) : Object.keys(members);
  return writeList("{", keys, limit, (key, left) => {
    const label = `${write(key, left, isSorted)}: `;
    return label + write(members[key], Math.max(0, left - label.length), isSorted);
  });
}

function writeList<Item>(
  bracket: "[" | "{",
  items: readonly Item[],
  limit: number,
  writeItem: (item: Item, limit: number) => string,
): string {
  let text: string = bracket;
  for (const [at, item] of items.entries()) {
    if (text.length > limit) return text;
    if (at > 0) text += ", ";
    text += writeItem(item, Math.max(0, limit - text.length));
  }
  return text + (bracket === "[" ? "]" : "}");
}

function sortedEntries(value: object): [string, unknown][] {
  return Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * The first texts in order, as many as are shown of a list that is cut after `limit` characters;
 * sorting them all would take as long as the client that sent them likes.
 */
export function smallest(texts: readonly string[], limit = MAX_SHOWN): string[] {
  // Each takes four characters at least: its quotation marks, a comma and a blank.
  const count = limit / 4 + 1;
  if (texts.length <= count) return texts.toSorted();
  const found = texts.slice(0, count).toSorted();
  for (const text of texts.slice(found.length)) {
    if (text >= found.at(-1)!) continue;
    found.pop();
    const at = found.findIndex((other) => other > text);
    found.splice(at === -1 ? found.length : at, 0, text);
  }
  return found;
}

function writeNumber(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  // Python pads the exponent to two digits.
  return String(value).replace(/e([+-])(\d)$/, "e$10$2");
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** What Python's `str.isprintable` refuses, and the backslash. */
const ESCAPED = /[\\\p{C}\p{Z}]/gu;

function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(ESCAPED, (character) => {
    if (character === " ") return character;
    return ESCAPES[character] ?? escapeCode(character.codePointAt(0) ?? 0);
  });
  return mark + (mark === "'" ? escaped.replaceAll("'", "\\'") : escaped) + mark;
}

function escapeCode(code: number): string {
  const hex = code.toString(16);
  if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
