import { isMap, isScalar, LineCounter, parseDocument } from "yaml";

import { OperatorError } from "./operator-error.ts";

/** As many as one question about what fits may have. */
const MAX_FLAVORS = 500;
/** Many times what so many queries take. */
const MAX_LENGTH = 4 * 1024 * 1024;
const MAX_NAME_LENGTH = 255;

/** A query for allocation candidates by a name. */
interface NamedQuery {
  readonly name: string;
  readonly query: string;
  /** Where in the file it is, from 1. */
  readonly line: number;
}

/** A file of flavors holds something else, or something that is wrong in a line of it. */
export class FlavorsFileError extends OperatorError {
  constructor(path: string, line: number | undefined, problem: string) {
    super(line === undefined ? `${path}: ${problem}` : `${path}, line ${line}: ${problem}`);
  }
}

/**
 * Reads a file of flavors: YAML, or JSON, of names with queries.
 *
 * @param path for errors
 * @throws FlavorsFileError
 */
export function readFlavors(text: string, path: string): NamedQuery[] {
  if (text.length > MAX_LENGTH) throw new FlavorsFileError(path, undefined, "it is too long");
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, uniqueKeys: true });
  const lineAt = (offset: number | undefined) =>
    offset === undefined ? undefined : counter.linePos(offset).line;
  const [error] = document.errors;
  if (error !== undefined) {
    throw new FlavorsFileError(path, lineAt(error.pos[0]), error.message.split("\n")[0]!);
  }
  const { contents } = document;
  if (!isMap(contents)) {
    throw new FlavorsFileError(
      path,
      undefined,
      "names with queries are wanted, such as m1: resources=VCPU:1",
    );
  }
  const flavors = contents.items.map(({ key, value }) => {
    const line = isScalar(key) ? (lineAt(key.range?.[0]) ?? 1) : 1;
    const wanted = (problem: string) => new FlavorsFileError(path, line, problem);
    if (!isScalar(key) || !isScalar(value) || typeof value.value !== "string") {
      throw wanted("a name and a query are wanted");
    }
    const name = String(key.value);
    if (name.length > MAX_NAME_LENGTH) throw wanted("the name is too long");
    return { name, query: value.value, line };
  });
  if (flavors.length > MAX_FLAVORS) {
    throw new FlavorsFileError(path, undefined, `at most ${MAX_FLAVORS} flavors are counted`);
  }
  return flavors;
}
