import type { ExternalIdentity } from "../domain/consumer.ts";

/** Ids by what the outside calls them. */
export interface ConsumerNames {
  readonly projects: ReadonlyMap<string, ExternalIdentity>;
  readonly users: ReadonlyMap<string, ExternalIdentity>;
  readonly types: ReadonlyMap<string, number>;
}

/** More than this many of a kind are forgotten, all at once. */
const MAX_OF_A_KIND = 10_000;

/**
 * Projects, users and consumer types that are known to be there. Neither Stowage nor Placement ever
 * deletes one, so what was seen once on a server need not be looked up again: that is most of what a claim
 * asks.
 */
export class KnownNames implements ConsumerNames {
  readonly projects = new Map<string, ExternalIdentity>();
  readonly users = new Map<string, ExternalIdentity>();
  readonly types = new Map<string, number>();

  /** @param names what was committed */
  remember({ projects, users, types }: ConsumerNames): void {
    rememberIn(this.projects, projects);
    rememberIn(this.users, users);
    rememberIn(this.types, types);
  }
}

function rememberIn<Id>(known: Map<string, Id>, names: ReadonlyMap<string, Id>): void {
  if (known.size + names.size > MAX_OF_A_KIND) known.clear();
  for (const [name, id] of names) known.set(name, id);
}

/** Each name of which no id is known, once; without those that have none. */
export function unknownNames<Item>(
  items: readonly Item[],
  ids: ReadonlyMap<string, unknown>,
  nameOf: (item: Item) => string | undefined,
): string[] {
  const names = new Set(items.flatMap((item) => nameOf(item) ?? []));
  return [...names].filter((name) => !ids.has(name));
}
