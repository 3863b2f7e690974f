import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { messageOf } from "../../config/operator-error.ts";
import type { Terminal } from "../terminal.ts";
import { CannotAsk, type ServiceClient } from "./service-client.ts";
import { withSource, type SourceOptions } from "./source.ts";

/** A fleet takes seconds; a service that has not ended after so long will not. */
const TIMEOUT_MS = 3_600_000;

const ENDS = { ndjson: '{"end":true}\n', json: "]}" } as const;
const TYPES = { ndjson: "application/x-ndjson", json: "application/json" } as const;

/** Command-line options of `stowage snapshot`. */
export interface SnapshotCommand extends SourceOptions {
  readonly format: keyof typeof ENDS;
  /** Standard output unless given. */
  readonly output?: string;
  /** Which providers, and what of them. */
  readonly query: Readonly<Record<string, string | undefined>>;
}

/**
 * Writes all providers of one moment, with all that they have. A file is there when all of it is written, and
 * not before.
 *
 * @throws CannotAsk also where the answer breaks off
 */
export async function writeSnapshot(command: SnapshotCommand, terminal: Terminal): Promise<number> {
  const { output, format, query } = command;
  await withSource(command, terminal, async (client) => {
    const answer = await open(client, format, query);
    if (output === undefined) await copy(answer, terminal.output, { end: false });
    else await writeFile(output, (to) => copy(answer, to, { end: true }));
  });
  return 0;
}

async function open(
  client: ServiceClient,
  format: SnapshotCommand["format"],
  query: SnapshotCommand["query"],
): Promise<AsyncIterable<Uint8Array>> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const question = { query, accept: TYPES[format], signal };
  const { body } = await client.open("GET", "/stowage/v1/providers", question);
  return untilEnd(body as AsyncIterable<Uint8Array> | null, ENDS[format]);
}

/** What is in between may hide that an answer was cut off. */
async function* untilEnd(
  body: AsyncIterable<Uint8Array> | null,
  end: string,
): AsyncGenerator<Uint8Array> {
  let tail = "";
  try {
    for await (const part of body ?? []) {
      tail = (tail + Buffer.from(part.subarray(-end.length)).toString("latin1")).slice(-end.length);
      yield part;
    }
  } catch (error) {
    throw new CannotAsk(`the snapshot broke off: ${messageOf(error)}`);
  }
  if (tail !== end) throw new CannotAsk("the snapshot broke off: its end is missing");
}

function copy(
  from: AsyncIterable<Uint8Array>,
  to: Writable,
  options: { readonly end: boolean },
): Promise<void> {
  return pipeline(from, to, options);
}

async function writeFile(path: string, write: (to: Writable) => Promise<void>): Promise<void> {
  const partial = `${path}.part`;
  try {
    await write(createWriteStream(partial));
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    if (error instanceof CannotAsk) throw error;
    throw new CannotAsk(`${path} cannot be written: ${messageOf(error)}`);
  }
}
