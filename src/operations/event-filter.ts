import type { ProviderIndex } from "../index/provider-index.ts";
import { formerRoots, rootOf, subjectOf, touchedBy } from "../read-model/event-subjects.ts";
import type { FeedEvent } from "../read-model/feed-event.ts";

/** Which events somebody wants: each condition that is given has to hold, one of its values at least. */
export interface EventFilter {
  readonly kinds?: ReadonlySet<string> | undefined;
  /** UUIDs, canonical: what is about the provider, and about consumers that hold or held something of it. */
  readonly providers?: ReadonlySet<string> | undefined;
  readonly consumers?: ReadonlySet<string> | undefined;
  /** UUIDs of providers: the same as of `providers` for the whole tree that each is in. */
  readonly trees?: ReadonlySet<string> | undefined;
  /** Of consumers. */
  readonly projects?: ReadonlySet<string> | undefined;
  readonly resourceClasses?: ReadonlySet<string> | undefined;
}

/**
 * Whether somebody wants an event. A filter only ever leaves out what is known not to be meant: what the feed does
 * not tell, as another program wrote it or it is too long, is told; and so is that everything is to be read anew.
 */
export function isWanted(filter: EventFilter, event: FeedEvent, index: ProviderIndex): boolean {
  const { kind } = event.row;
  if (kind === "everything") return true;
  if (filter.kinds && !filter.kinds.has(kind)) return false;
  const { providers, consumers, trees, projects, resourceClasses } = filter;
  return (
    (!consumers || (event.isOfConsumer && consumers.has(event.uuid))) &&
    (!projects || isOfProject(event, projects)) &&
    (!providers || touches(event, index, providers)) &&
    (!trees || isInTree(event, index, trees)) &&
    (!resourceClasses || isOfClass(event, index, resourceClasses))
  );
}

function isOfProject({ isOfConsumer, told }: FeedEvent, projects: ReadonlySet<string>): boolean {
  if (!isOfConsumer) return false;
  const details = told?.details;
  if (details?.of !== "consumer" || details.projectId === undefined) return true;
  const before = details.formerly?.projectId;
  return projects.has(details.projectId) || (before !== undefined && projects.has(before));
}

function touches(event: FeedEvent, index: ProviderIndex, providers: ReadonlySet<string>): boolean {
  const touched = touchedBy(event, index);
  return !touched || touched.some((uuid) => providers.has(uuid));
}

function isInTree(event: FeedEvent, index: ProviderIndex, trees: ReadonlySet<string>): boolean {
  const touched = touchedBy(event, index);
  if (!touched) return true;
  const wanted = new Set([...trees].map((uuid) => rootOf(index, uuid)));
  if (touched.some((uuid) => wanted.has(rootOf(index, uuid)))) return true;
  return formerRoots(event).some((root) => wanted.has(root));
}

function isOfClass(event: FeedEvent, index: ProviderIndex, classes: ReadonlySet<string>): boolean {
  const isOfClasses = event.row.kind.startsWith("resource_class");
  if (!isOfClasses && !event.isOfConsumer && !event.isOfProvider) return false;
  if (event.classes) return event.classes.some((name) => classes.has(name));
  if (isOfClasses) return classes.has(event.row.subject);
  if (event.isOfConsumer) return true;
  // Its usage has changed, or nobody knows what.
  const uuid = subjectOf(event, index);
  const record = uuid === undefined ? undefined : index.get(uuid);
  if (!record) return true;
  return record.inventories.some(({ resourceClassId }) => {
    const name = index.resourceClasses.nameOf(resourceClassId);
    return name === undefined || classes.has(name);
  });
}
