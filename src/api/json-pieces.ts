/**
 * A list, or an object, of which the members are rendered as they are written: of many, not all are in memory at
 * once. `JSON.stringify` takes it as well.
 */
export class Lazily {
  readonly #isList: boolean;
  readonly #members: () => Iterable<readonly [name: string, value: unknown]>;

  private constructor(
    isList: boolean,
    members: () => Iterable<readonly [name: string, value: unknown]>,
  ) {
    this.#isList = isList;
    this.#members = members;
  }

  static list<Item>(items: readonly Item[], render: (item: Item) => unknown): Lazily {
    return new Lazily(true, function* () {
      for (const item of items) yield ["", render(item)];
    });
  }

  static object<Value>(
    values: ReadonlyMap<string, Value>,
    render: (value: Value) => unknown,
  ): Lazily {
    return new Lazily(false, function* () {
      for (const [name, value] of values) yield [name, render(value)];
    });
  }

  get isList(): boolean {
    return this.#isList;
  }

  members(): Iterable<readonly [name: string, value: unknown]> {
    return this.#members();
  }

  toJSON(): unknown {
    return this.#isList
      ? Array.from(this.#members(), ([, value]) => value)
      : Object.fromEntries(this.#members());
  }
}

/**
 * A value as JSON, in pieces: what is rendered lazily, and an object that has such a member, member by member, all
 * else in one piece.
 */
export function* jsonPieces(value: unknown): Generator<string> {
  if (value instanceof Lazily) {
    yield* membersOf(value.members(), value.isList);
  } else if (isObject(value) && Object.values(value).some((it) => it instanceof Lazily)) {
    yield* membersOf(Object.entries(value), false);
  } else yield JSON.stringify(value);
}

function* membersOf(
  members: Iterable<readonly [name: string, value: unknown]>,
  isList: boolean,
): Generator<string> {
  yield isList ? "[" : "{";
  let separator = "";
  for (const [name, value] of members) {
    if (value === undefined) continue;
    yield isList ? separator : `${separator}${JSON.stringify(name)}:`;
    separator = ",";
    yield* jsonPieces(value);
  }
  yield isList ? "]" : "}";
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
