import { createReadStream, statSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import type { Readable, Writable } from "node:stream";

import { messageOf } from "../../config/operator-error.ts";
import { normalizeUuid } from "../../domain/uuid.ts";
import { printable } from "../../observability/logger.ts";
import type { Terminal } from "../terminal.ts";
import { confirm } from "./confirm.ts";
import { CannotAsk, type ServiceClient } from "./service-client.ts";
import { withSource, type SourceOptions } from "./source.ts";

/** Command-line options of `stowage leaks`. */
interface LeaksCommand extends SourceOptions {
  /** A file with the UUIDs of everything that lives, one a line; `-` for standard input. */
  readonly alive: string;
  /** When the list was begun. */
  readonly aliveAsOf?: Date;
  readonly tree?: string;
  readonly minAge?: number;
  readonly resourceClasses?: readonly string[];
  readonly types?: readonly string[];
  readonly release?: true;
  readonly reason?: string;
  /** Not to ask before anything is released. */
  readonly yes?: true;
  readonly json?: true;
}

/** As `nova-manage placement audit` has them. */
const FOUND = 3;
const RELEASED = 4;

const TIMEOUT_MS = 600_000;
/** A list of so many is told as examples. */
const MOST_SHOWN = 20;
/** As many as the service takes. */
const MOST_ALIVE = 1_000_000;
/** Lines of 32 digits and their end. */
const BYTES_OF_LINE = 33;

interface Report {
  readonly plan: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly dead: readonly Consumer[];
  readonly doubled: readonly { readonly uuid: string; readonly trees: readonly string[] }[];
  readonly missing: readonly string[];
  readonly freed: Readonly<Record<string, number>>;
}

interface Consumer {
  readonly uuid: string;
  readonly generation: number;
  readonly project_id: string | null;
  readonly updated_at: string | null;
  readonly allocations: Readonly<
    Record<string, { readonly provider_name?: string; readonly resources: Record<string, number> }>
  >;
}

interface Released {
  readonly released: number;
  readonly changed_since: readonly string[];
  readonly unknown: readonly string[];
  readonly failed: readonly { readonly consumer: string; readonly detail: string }[];
}

/**
 * Tells which consumers hold something and are not among the living, and releases what they hold if told to.
 *
 * @returns 0 when there are none, 3 when there are some, 4 when they were released
 */
export async function findLeaks(
  command: LeaksCommand,
  terminal: Terminal & { readonly input: Readable },
): Promise<number> {
  const { alive, aliveAsOf = defaultTime(alive), release, json } = command;
  if (release && (command.loadConfig || command.snapshot !== undefined)) {
    throw new CannotAsk("--release needs a service: a database is only read");
  }
  const lines = await readLiving(alive, terminal.input, headOf(command, aliveAsOf));
  return withSource(command, terminal, async (client) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const text = await client.ask("POST", "/stowage/v1/orphans", { lines, signal });
    const report = client.parse<Report>(
      text,
      ({ counts, dead }) => typeof counts === "object" && Array.isArray(dead),
    );
    const isPlain = json !== true;
    terminal.output.write(isPlain ? describe(report) : `${text}\n`);
    if (report.dead.length === 0) return 0;
    if (!release || !(await mayRelease(command, report, terminal))) return FOUND;
    return releaseDead(client, command, report, isPlain ? terminal.output : terminal.problems);
  });
}

/** A list that is piped in was begun when this was; one in a file was ended when that was written last. */
function defaultTime(path: string): Date {
  if (path === "-") return new Date(Date.now() - process.uptime() * 1000);
  try {
    return statSync(path).mtime;
  } catch (error) {
    throw new CannotAsk(`${path} cannot be read: ${messageOf(error)}`);
  }
}

function headOf({ tree, minAge, resourceClasses, types }: LeaksCommand, aliveAsOf: Date): string {
  return JSON.stringify({
    alive_as_of: aliveAsOf.toISOString(),
    scope: {
      ...(tree !== undefined && { tree }),
      ...(minAge !== undefined && { min_age_seconds: minAge }),
      ...(resourceClasses && { resource_classes: resourceClasses }),
      ...(types && { types: types.map((type) => (type === "unknown" ? null : type)) }),
    },
  });
}

/** The body of the request, of which each line is as short as it can be. */
async function readLiving(
  path: string,
  input: Readable,
  head: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts = [Buffer.from(`${head}\n`)];
  let number = 0;
  let some: string[] = [];
  const flush = () => {
    parts.push(Buffer.from(some.join("")));
    some = [];
  };
  try {
    const stream = path === "-" ? input : createReadStream(path);
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      number += 1;
      const text = line.trim();
      if (text === "") continue;
      const uuid = normalizeUuid(text);
      if (uuid === undefined) {
        const shown = printable(text.slice(0, 60));
        throw new CannotAsk(`${path}, line ${number}: '${shown}' is no UUID`);
      }
      some.push(`${uuid.replaceAll("-", "")}\n`);
      if (some.length === 10_000) flush();
      if (parts.length * 10_000 > MOST_ALIVE + 20_000) {
        throw new CannotAsk(`${path} has more than ${MOST_ALIVE} UUIDs: ask tree by tree`);
      }
    }
  } catch (error) {
    if (error instanceof CannotAsk) throw error;
    throw new CannotAsk(`${path} cannot be read: ${messageOf(error)}`);
  }
  flush();
  const body = joined(parts);
  // Nobody is alive where the command that lists them has failed.
  if (body.length < head.length + BYTES_OF_LINE) {
    throw new CannotAsk(`${path === "-" ? "standard input" : path} names nobody who is alive`);
  }
  return body;
}

/** In memory of its own, which is what can be sent, and not more often than that. */
function joined(parts: Buffer[]): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  parts.length = 0;
  return body;
}

function describe({ counts, dead, doubled, freed }: Report): string {
  const lines = dead.slice(0, MOST_SHOWN).map(({ uuid, updated_at: changed, allocations }) => {
    const held = Object.entries(allocations).map(
      ([provider, { provider_name: name = provider, resources }]) =>
        `${amounts(resources)} of ${name}`,
    );
    return `  ${uuid}  ${changed?.slice(0, 10) ?? "-"}  ${held.join("; ")}`;
  });
  const others = (counts["dead"] ?? 0) - lines.length;
  if (others > 0) lines.push(`  and ${others} more`);
  for (const { uuid, trees } of doubled.slice(0, MOST_SHOWN)) {
    lines.push(`  ${uuid} lives, and is on ${trees.join(" and ")}`);
  }
  lines.push(summary(counts, freed));
  // Names are what anybody has called something.
  return lines.map((line) => `${printable(line)}\n`).join("");
}

function summary(counts: Report["counts"], freed: Report["freed"]): string {
  const { dead = 0, doubled = 0, in_scope: inScope = 0 } = counts;
  const found =
    dead === 0
      ? `All of ${inScope} consumers belong to somebody`
      : `${dead} ${dead === 1 ? "consumer holds" : "consumers hold"} ${amounts(freed)} and ` +
        `${dead === 1 ? "belongs" : "belong"} to nobody`;
  return `${found}; ${doubled} ${doubled === 1 ? "is" : "are"} on several hosts.`;
}

function amounts(resources: Readonly<Record<string, number>>): string {
  return Object.entries(resources)
    .map(([name, amount]) => `${amount} ${name}`)
    .join(", ");
}

async function mayRelease(
  { yes, alive }: LeaksCommand,
  { dead }: Report,
  terminal: Terminal & { readonly input: Readable },
): Promise<boolean> {
  if (yes) return true;
  if (alive === "-")
    throw new CannotAsk("nobody can be asked, as the list is standard input: say --yes");
  return confirm(terminal, `Release what ${dead.length} consumers hold?`);
}

async function releaseDead(
  client: ServiceClient,
  { reason }: LeaksCommand,
  { dead, plan, counts }: Report,
  output: Writable,
): Promise<number> {
  const releases = dead.map(({ uuid, generation }) => ({ consumer: uuid, generation }));
  const text = await client.ask("POST", "/stowage/v1/releases", {
    body: { releases, dry_run: false, reason: reason ?? `leaks ${plan}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const done = client.parse<Released>(text, ({ released }) => typeof released === "number");
  const left = [
    ...done.changed_since.map((uuid) => `  ${uuid} has changed since, and was left alone`),
    ...done.unknown.map((uuid) => `  ${uuid} holds nothing any more`),
    ...done.failed.map(({ consumer, detail }) => `  ${consumer}: ${detail}`),
  ];
  const rest = (counts["dead"] ?? 0) - dead.length;
  const lines = [
    `${done.released} ${done.released === 1 ? "consumer was" : "consumers were"} released.`,
    ...left,
    ...(rest > 0 ? [`${rest} are left: run it again.`] : []),
  ];
  output.write(lines.map((line) => `${printable(line)}\n`).join(""));
  return RELEASED;
}
