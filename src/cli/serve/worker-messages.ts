import type { Worker } from "node:cluster";

import type { LoadedConfig } from "../../config/config.ts";
import type { CollectedMetrics } from "../../observability/metrics.ts";

// What the first process and its workers tell each other. All of them run the same program: what a message
// holds is taken for what its kind says.

/** From a worker to the first process. */
type FromWorker =
  /** Asked for, as what is sent before a worker listens is lost. */
  | { readonly kind: "configuration wanted" }
  | { readonly kind: "serving"; readonly url: string }
  | { readonly kind: "metrics wanted"; readonly question: number }
  | { readonly kind: "counted"; readonly metrics: CollectedMetrics };

/** From the first process to a worker. */
type ToWorker =
  | { readonly kind: "configuration"; readonly loaded: LoadedConfig }
  | { readonly kind: "count" }
  | { readonly kind: "metrics"; readonly question: number; readonly metrics: CollectedMetrics };

/** The message of one kind. */
type OfKind<Message, Kind> = Extract<Message, { readonly kind: Kind }>;

/** Sends to the first process; resolves when it is sent, or when there is nobody to send it to. */
export function tellPrimary(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

export function tellWorker(worker: Worker, message: ToWorker): void {
  // One that cannot be reached any more has died, which is noticed anyway.
  if (worker.isConnected()) worker.send(message, () => {});
}

/** To be called in a worker. */
export function hearPrimary<Kind extends ToWorker["kind"]>(
  kind: Kind,
  onMessage: (message: OfKind<ToWorker, Kind>) => void,
): void {
  process.on("message", (message: unknown) => {
    if (isOfKind<ToWorker, Kind>(message, kind)) onMessage(message);
  });
}

/** To be called in the first process. */
export function hearWorker<Kind extends FromWorker["kind"]>(
  worker: Worker,
  kind: Kind,
  onMessage: (message: OfKind<FromWorker, Kind>) => void,
): void {
  worker.on("message", (message: unknown) => {
    if (isOfKind<FromWorker, Kind>(message, kind)) onMessage(message);
  });
}

function isOfKind<Message, Kind>(message: unknown, kind: Kind): message is OfKind<Message, Kind> {
  return (
    typeof message === "object" && message !== null && "kind" in message && message.kind === kind
  );
}
