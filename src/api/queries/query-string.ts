import { badRequest } from "../http-error.ts";
import { checkLimit } from "../query-limits.ts";
import type { QueryParameters } from "../request.ts";
import { decodePercent } from "./percent-decoding.ts";

/**
 * The parameters of a query string, split at `&` and `;` as WebOb does.
 *
 * @throws HttpError 400 when something in it is not UTF-8 or a NUL, or there are too many
 */
export function parseQuery(text: string): QueryParameters {
  if (text === "") return NO_PARAMETERS;
  const parts = text.split(/[&;]/).filter((part) => part !== "");
  checkLimit("parameters", parts.length);
  return new ParsedQuery(parts.map(parsePair));
}

type Pair = readonly [name: string, value: string];

class ParsedQuery implements QueryParameters {
  readonly pairs: readonly Pair[];
  readonly #valuesOfName = new Map<string, string[]>();

  constructor(pairs: readonly Pair[]) {
    this.pairs = pairs;
    for (const [name, value] of pairs) {
      const values = this.#valuesOfName.get(name);
      if (values === undefined) this.#valuesOfName.set(name, [value]);
      else values.push(value);
    }
  }

  get(name: string): string | undefined {
    return this.#valuesOfName.get(name)?.at(-1);
  }

  getAll(name: string): readonly string[] {
    return this.#valuesOfName.get(name) ?? NO_VALUES;
  }

  has(name: string): boolean {
    return this.#valuesOfName.has(name);
  }
}

const NO_VALUES: readonly string[] = [];

const NO_PARAMETERS: QueryParameters = new ParsedQuery([]);

function parsePair(part: string): Pair {
  const equals = part.indexOf("=");
  return equals === -1
    ? [decode(part), ""]
    : [decode(part.slice(0, equals)), decode(part.slice(equals + 1))];
}

function decode(text: string): string {
  const decoded = decodePercent(text.replaceAll("+", " "));
  if (decoded !== undefined) return decoded;
  const reason = text.includes("%00")
    ? "%00 stands for a NUL, which no name and no database holds"
    : "'utf-8' codec can't decode what is in the query string";
  throw badRequest(`Invalid query string parameters: ${reason}`);
}
