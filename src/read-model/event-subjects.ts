import type { ProviderIndex } from "../index/provider-index.ts";
import { NONE } from "../index/tree-table.ts";
import type { FeedEvent } from "./feed-event.ts";

/** The UUID or name that a change is about; undefined where only an id is known that is nobody's any more. */
export function subjectOf({ row }: FeedEvent, index: ProviderIndex): string | undefined {
  if (row.subject !== "" || row.providerId === null) return row.subject;
  return index.getById(row.providerId)?.uuid;
}

/** The UUIDs of the providers that a change is about; undefined where that is not known. */
export function touchedBy(event: FeedEvent, index: ProviderIndex): readonly string[] | undefined {
  if (event.isOfConsumer) return event.providersHeld;
  if (!event.isOfProvider) return [];
  if (event.uuid !== "") return [event.uuid];
  const subject = subjectOf(event, index);
  return subject === undefined ? undefined : [subject];
}

/** Of the tree that a provider is in; of one that is not there, itself. */
export function rootOf(index: ProviderIndex, uuid: string): string {
  const row = index.findRow(uuid);
  if (row === undefined) return uuid;
  const root = index.rootOf(index.treeOf(row));
  return root === NONE ? uuid : index.uuidOf(root);
}

/** The roots that are told of a provider that has left a tree, or is gone. */
export function formerRoots({ told }: FeedEvent): readonly string[] {
  const details = told?.details;
  return details?.of === "provider" ? (details.root ?? []).flatMap((root) => root ?? []) : [];
}
