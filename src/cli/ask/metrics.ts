import { pipeline } from "node:stream/promises";

import { messageOf } from "../../config/operator-error.ts";
import type { Terminal } from "../terminal.ts";
import { CannotAsk } from "./service-client.ts";
import { withSource, type SourceOptions } from "./source.ts";

const TIMEOUT_MS = 3_600_000;

/** Command-line options of `stowage metrics`. */
interface MetricsCommand extends SourceOptions {
  /** Whether to tell what each consumer holds, too. */
  readonly allocations?: true;
}

/** Writes the series of openstack-exporter's service `placement`, for Prometheus or for its textfile collector. */
export async function writeMetrics(command: MetricsCommand, terminal: Terminal): Promise<number> {
  await withSource(command, terminal, async (client) => {
    const query = { allocations: command.allocations && "1" };
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const { body } = await client.open("GET", "/metrics/providers", { query, signal });
    try {
      await pipeline((body ?? []) as AsyncIterable<Uint8Array>, terminal.output, { end: false });
    } catch (error) {
      throw new CannotAsk(`the metrics broke off: ${messageOf(error)}`);
    }
  });
  return 0;
}
