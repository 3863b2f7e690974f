import type { HistoryEntry } from "../../../operations/history.ts";
import { sumOf } from "../../../operations/history.ts";
import { renderChanged, renderHolder } from "../events/rendering.ts";

function renderCommon(entry: HistoryEntry) {
  const { changeId, at, kind, requestId, userId, projectId, told } = entry;
  return {
    id: String(changeId),
    at: at.toISOString(),
    kind,
    request_id: requestId,
    // What is undefined is left out.
    global_request_id: told?.globalRequestId,
    by: { user_id: userId, project_id: projectId },
    cause: told?.cause,
  };
}

/** @param isForAll whether whoever asks may know of other projects */
export function renderOfConsumer(entry: HistoryEntry, isForAll: boolean) {
  const details = entry.told?.details;
  if (details?.of !== "consumer") return { ...renderCommon(entry), was: null, now: null };
  const holder = renderHolder(details);
  return { ...renderCommon(entry), ...holder, ...(!isForAll && { formerly: undefined }) };
}

export function renderOfProvider(entry: HistoryEntry) {
  const { told, used, consumerUuid } = entry;
  const details = told?.details;
  if (details?.of === "consumer") {
    return {
      ...renderCommon(entry),
      consumer: consumerUuid,
      project_id: details.projectId ?? null,
      was: Object.fromEntries(sumOf(details.was)),
      now: Object.fromEntries(sumOf(details.now)),
      used: used && Object.fromEntries(used),
    };
  }
  const isTold = details?.of === "provider";
  return {
    ...renderCommon(entry),
    ...(isTold && { generation: details.generation ?? null }),
    changed: isTold ? (renderChanged(details) ?? {}) : null,
  };
}
