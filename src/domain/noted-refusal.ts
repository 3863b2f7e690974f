/** What a request did not get, as it is kept for whoever asks afterwards why. */
export interface NotedRefusal {
  readonly at: Date;
  /** `no_candidates`: a query that nothing meets. `claim`: one that was refused. */
  readonly kind: string;
  readonly requestId: string;
  readonly globalRequestId: string | undefined;
  readonly consumerUuid: string | undefined;
  readonly projectId: string | undefined;
  /** All about it as JSON, of characters that any database can store. */
  readonly body: string;
}

/** Which of them are asked for: those to which all of it applies. */
export interface RefusalFilter {
  /** The request's own id, or the one of the larger operation that it was part of. */
  readonly requestId?: string;
  readonly consumerUuid?: string;
  readonly projectId?: string;
  readonly since?: Date;
}

/** What all that is noted fits in. */
export const MAX_REFUSAL_BYTES = 8192;

export function matchesRefusal(
  refusal: Omit<NotedRefusal, "body">,
  { requestId, consumerUuid, projectId, since }: RefusalFilter,
): boolean {
  return (
    (requestId === undefined ||
      requestId === refusal.requestId ||
      requestId === refusal.globalRequestId) &&
    (consumerUuid === undefined || consumerUuid === refusal.consumerUuid) &&
    (projectId === undefined || projectId === refusal.projectId) &&
    (since === undefined || refusal.at.getTime() >= since.getTime())
  );
}
