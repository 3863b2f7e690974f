import { badRequest } from "../api/http-error.ts";
import type { QueryParameters } from "../api/request.ts";
import { decodePercent } from "./percent-decoding.ts";

/**
 * The parameters of a query string, split at `&` and `;` as WebOb does.
 *
 * @throws HttpError 400 when something in it is not UTF-8
 */
export function parseQuery(text: string): QueryParameters {
  if (text === "") return NO_PARAMETERS;
  return new ParsedQuery(
    text
      .split(/[&;]/)
      .filter((part) => part !== "")
      .map(parsePair),
  );
}

type Pair = readonly [name: string, value: string];

class ParsedQuery implements QueryParameters {
  readonly pairs: readonly Pair[];

  constructor(pairs: readonly Pair[]) {
    this.pairs = pairs;
  }

  get(name: string): string | undefined {
    return this.pairs.findLast(([present]) => present === name)?.[1];
  }

  getAll(name: string): readonly string[] {
    return this.pairs.filter(([present]) => present === name).map(([, value]) => value);
  }

  has(name: string): boolean {
    return this.pairs.some(([present]) => present === name);
  }
}

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
  throw badRequest(
    "Invalid query string parameters: 'utf-8' codec can't decode what is in the query string",
  );
}
