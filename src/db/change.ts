import type { ChangeDetails } from "../domain/change-details.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { NewChangeRow } from "./schema.ts";

/** What the database needs to know about the request that a transaction belongs to. */
export type DatabaseContext = Pick<
  RequestContext,
  "requestId" | "userId" | "projectId" | "deadlineMs" | "effort" | "cause"
> &
  Partial<Pick<RequestContext, "globalRequestId">>;

/** The context of what belongs to no request; the name stands in its place, also in the change feed. */
export function internalContext(name: string): DatabaseContext {
  return { requestId: name, userId: undefined, projectId: undefined };
}

export type ChangeKind =
  | "provider" // created, changed, or anything that belongs to it changed
  | "provider_deleted"
  | "consumer" // its allocations or attributes changed
  | "consumer_deleted"
  | "resource_class"
  | "resource_class_deleted"
  | "trait"
  | "trait_deleted"
  | "consumer_type"
  | "everything"; // more than is known: read models are built anew

export interface Change {
  readonly kind: ChangeKind;
  /** For the kinds of a provider. */
  readonly providerId?: number;
  /** The UUID of a provider or consumer, or a name. */
  readonly subject: string;
  /**
   * From what to what. Nothing where more is changed than is known, and for a provider of which a claim has
   * changed the usage, and nothing else: what the consumers of the same request are told of says that.
   */
  readonly details?: ChangeDetails | undefined;
  /**
   * Makes them, when they are written: of 20,000 consumers they take as much memory as all the rest of a claim.
   * In place of `details`.
   */
  readonly makeDetails?: () => ChangeDetails;
}

/** A change with the request that made it. */
export interface RecordedChange {
  readonly change: Change;
  readonly by: DatabaseContext;
}

/** A row of the change feed that tells afterwards whether its transaction was committed. */
export interface CommitMark extends NewChangeRow {
  readonly id: number;
}
