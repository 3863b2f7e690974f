import type { ExternalIdentity } from "../domain/consumer.ts";
import { Steps } from "../scheduling/pace.ts";

/** Ids by what the outside calls them. */
export interface ConsumerNames {
  readonly projects: ReadonlyMap<string, ExternalIdentity>;
  readonly users: ReadonlyMap<string, ExternalIdentity>;
  readonly types: ReadonlyMap<string, number>;
}

/** More than this many of a kind are forgotten, all at once. */
const MAX_OF_A_KIND = 10_000;

/**
 * A cache that never has to be invalidated: projects, users and consumer types that are known to be there.
 * Neither Stowage nor Placement ever deletes one, so what was seen once on a server need not be looked up
 * again: that is most of what a claim asks.
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

/** What the outside calls whom a consumer belongs to, and what it is. */
interface Named {
  readonly projectId: string | undefined;
  readonly userId: string | undefined;
  readonly consumerType: string | undefined;
}

/** Those names of consumers that are not known, each once. */
export function* unknownNames(
  consumers: readonly Named[],
  known: ConsumerNames,
): Generator<void, Readonly<Record<keyof ConsumerNames, readonly string[]>>> {
  const steps = new Steps();
  const projects = new Set<string>();
  const users = new Set<string>();
  const types = new Set<string>();
  for (const { projectId, userId, consumerType } of consumers) {
    if (projectId !== undefined && !known.projects.has(projectId)) projects.add(projectId);
    if (userId !== undefined && !known.users.has(userId)) users.add(userId);
    if (consumerType !== undefined && !known.types.has(consumerType)) types.add(consumerType);
    if (steps.mayPause()) yield;
  }
  return { projects: [...projects], users: [...users], types: [...types] };
}
