import { Raw } from "./hostile-values.ts";

/** JSON as text, with what is {@link Raw} as it stands. */
export function writeJson(value: unknown): string {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(writeJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([key, member]) => `${JSON.stringify(key)}:${writeJson(member)}`,
  );
  return `{${members.join(",")}}`;
}

type Step = string | number;

/** One place in a document, and the document with something else there. */
export interface Place {
  /** Such as `allocations.0.resources`; empty for the whole. */
  readonly path: string;
  /** 0 for the whole. */
  readonly depth: number;
  readonly value: unknown;
  /** The document with another value in this place. */
  replace(value: unknown): unknown;
}

/** Every place of a document, the whole included. */
export function placesOf(document: unknown): Place[] {
  return pathsIn(document).map((path) => ({
    path: path.join("."),
    depth: path.length,
    value: path.reduce<unknown>((value, step) => (value as Record<Step, unknown>)[step], document),
    replace: (value) => replaceAt(document, path, value),
  }));
}

function pathsIn(value: unknown, path: readonly Step[] = []): (readonly Step[])[] {
  if (Array.isArray(value)) {
    return [path, ...value.flatMap((item, at) => pathsIn(item, [...path, at]))];
  }
  if (typeof value !== "object" || value === null || value instanceof Raw) return [path];
  return [
    path,
    ...Object.entries(value).flatMap(([key, member]) => pathsIn(member, [...path, key])),
  ];
}

function replaceAt(document: unknown, [step, ...rest]: readonly Step[], value: unknown): unknown {
  if (step === undefined) return value;
  if (Array.isArray(document)) {
    return document.map((item, at) => (at === step ? replaceAt(item, rest, value) : item));
  }
  const members = document as Readonly<Record<string, unknown>>;
  return { ...members, [step]: replaceAt(members[step], rest, value) };
}
