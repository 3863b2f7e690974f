import { resolve } from "node:path";
import { destination, pino, type DestinationStream, type Logger } from "pino";

import type { Config } from "../config/config.ts";
import { maskUserInfo } from "../config/user-info.ts";

export type { Logger } from "pino";

/** The request that a line belongs to: what its brackets show. Given as part of the line's facts. */
export interface LoggedRequest {
  readonly requestId?: string;
  readonly globalRequestId?: string | undefined;
  readonly userId?: string | undefined;
  readonly projectId?: string | undefined;
}

type LogOptions = Pick<Config["default"], "debug" | "useJson" | "useStderr" | "logFile" | "logDir">;

/**
 * A logger that writes the lines which operators' tools know from oslo.log, or JSON objects:
 *
 *     2026-11-23 23:50:47.269 15030 INFO stowage.requestlog [None req-37a6… admin demo - - -] text
 *
 * The facts given with a line may hold a {@link LoggedRequest}, the `component` that the line is
 * from, and an error as `err`.
 */
export function createLogger(options: LogOptions, stream = openLog(options)): Logger {
  const level = options.debug ? "debug" : "info";
  return options.useJson
    ? pino(
        {
          level,
          base: { pid: process.pid },
          timestamp: pino.stdTimeFunctions.isoTime,
          serializers: { err: describeError },
        },
        stream,
      )
    : pino({ level }, new LineStream(stream));
}

/** Drivers hang on their errors what they know, such as the URL that was wrong: it is left out. */
function describeError(error: unknown): object {
  const { type, message, stack } = pino.stdSerializers.err(error as Error);
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  return { type, code, message: maskUserInfo(message), stack: maskUserInfo(stack) };
}

/**
 * Standard error, or the file, or both. Written without waiting: a line may be lost if the process
 * is killed, and a request never waits for the disk.
 */
function openLog({ useStderr, logFile, logDir }: LogOptions): DestinationStream {
  const streams: DestinationStream[] = [];
  if (logFile !== undefined) {
    const file = destination({
      dest: resolve(logDir ?? "", logFile),
      append: true,
      sync: false,
      mode: 0o640,
    });
    // logrotate has moved the file away, and the service manager passes the signal on.
    process.on("SIGHUP", () => file.reopen());
    streams.push(file);
  }
  if (useStderr || logFile === undefined) streams.push(destination({ dest: 2, sync: false }));
  const log = new TurnBuffer(streams);
  // Before the destinations write what they hold themselves.
  process.prependListener("exit", () => log.flush());
  return log;
}

/** Writes the lines of one turn of the event loop together, with one call of the system for all. */
class TurnBuffer implements DestinationStream {
  readonly #streams: readonly DestinationStream[];
  #lines = "";

  constructor(streams: readonly DestinationStream[]) {
    this.#streams = streams;
  }

  write(line: string): void {
    if (this.#lines === "") setImmediate(() => this.flush());
    this.#lines += line;
  }

  flush(): void {
    const lines = this.#lines;
    if (lines === "") return;
    this.#lines = "";
    for (const stream of this.#streams) stream.write(lines);
  }
}

/** What pino leaves on a stream that asks for it, so that the JSON need not be parsed again. */
const WANTS_METADATA = Symbol.for("pino.metadata");

class LineStream implements DestinationStream {
  readonly [WANTS_METADATA] = true;
  lastLevel = 0;
  lastMsg: string | undefined;
  lastObj: (LoggedRequest & { component?: string; err?: unknown }) | undefined;
  readonly #stream: DestinationStream;

  constructor(stream: DestinationStream) {
    this.#stream = stream;
  }

  write(): void {
    const facts = this.lastObj ?? {};
    const name = facts.component === undefined ? "stowage" : `stowage.${facts.component}`;
    const level = LEVELS[this.lastLevel] ?? "INFO";
    const prefix = `${localTime()} ${process.pid} ${level} ${name} ${requestPart(facts)}`;
    const trace =
      facts.err instanceof Error
        ? maskUserInfo(facts.err.stack ?? facts.err.message).split("\n")
        : [];
    const lines = [oneLine(this.lastMsg ?? ""), ...trace.map(printable)];
    this.#stream.write(lines.map((line) => `${prefix} ${line}\n`).join(""));
  }
}

const LEVELS: Readonly<Record<number, string>> = {
  10: "TRACE",
  20: "DEBUG",
  30: "INFO",
  40: "WARNING",
  50: "ERROR",
  60: "CRITICAL",
};

function requestPart({ requestId, globalRequestId, userId, projectId }: LoggedRequest): string {
  if (requestId === undefined) return "[-]";
  const user = printable(userId || "-");
  return `[${globalRequestId ?? "None"} ${requestId} ${user} ${printable(projectId || "-")} - - -]`;
}

/** A message of several lines, as databases write them, on one: only a prefix begins a line. */
function oneLine(text: string): string {
  return printable(text.replaceAll(/\r?\n/g, "\\n"));
}

/** What a client sent must not be able to forge a line. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, "?");
}

let currentSecond = 0;
let currentSecondText = "";

/** Local time as oslo.log has it. The text of a second serves all lines of that second. */
function localTime(): string {
  const now = Date.now();
  const second = Math.floor(now / 1000);
  if (second !== currentSecond) {
    const date = new Date(now);
    const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
    currentSecondText = `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
    currentSecond = second;
  }
  return `${currentSecondText}.${pad(now % 1000, 3)}`;
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, "0");
}
