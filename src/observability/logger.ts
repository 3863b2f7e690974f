import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino, type DestinationStream, type Logger } from "pino";

import type { Config } from "../config/config.ts";
import { maskUserInfo } from "../config/user-info.ts";
import { LogFile, LogFileError, type LogFileHooks } from "./log-file.ts";

export type { Logger } from "pino";

/** The request that a line belongs to: what its brackets show. Given as part of the line's facts. */
export interface LoggedRequest {
  readonly requestId?: string;
  readonly globalRequestId?: string | undefined;
  readonly userId?: string | undefined;
  readonly projectId?: string | undefined;
}

export type LogOptions = Pick<
  Config["default"],
  "debug" | "useJson" | "useStderr" | "logFile" | "logDir"
>;

/** Where lines go, many at once. */
interface LineDestination {
  write(lines: string): void;
}

/**
 * A logger that writes the lines which operators' tools know from oslo.log, or JSON objects:
 *
 *     2026-11-23 23:50:47.269 15030 INFO stowage.requestlog [None req-37a6… admin demo - - -] text
 *
 * The facts given with a line may hold a {@link LoggedRequest}, the `component` that the line is
 * from, and an error as `err`.
 */
export function createLogger(
  { debug, useJson }: Pick<LogOptions, "debug" | "useJson">,
  destination: LineDestination,
): Logger {
  return makeLogger({ debug }, new LineStream(destination, useJson));
}

function makeLogger({ debug }: Pick<LogOptions, "debug">, stream: DestinationStream): Logger {
  const timestamp = pino.stdTimeFunctions.isoTime;
  const serializers = { err: describeError };
  const base = { pid: process.pid };
  return pino({ level: levelFor(debug), base, timestamp, serializers }, stream);
}

/** Drivers hang on their errors what they know, such as the URL that was wrong: it is left out. */
function describeError(error: unknown): object {
  const { type, message, stack } = pino.stdSerializers.err(error as Error);
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  return { type, code, message: maskUserInfo(message), stack: maskUserInfo(stack) };
}

function levelFor(debug: boolean): string {
  return debug ? "debug" : "info";
}

/** How long the process waits at its end for lines that are being written. */
const END_LIMIT_MS = 1000;

/**
 * The log of the process: to standard error, or the file, or both. Nobody waits for it: a line may be
 * lost if the process is killed, or if there is no room for it.
 */
export class Log {
  readonly logger: Logger;
  readonly #buffer: GatheringBuffer;
  readonly #stream: LineStream;
  /** By path; the empty one is standard error, which stays open. */
  #files: ReadonlyMap<string, LogFile>;

  /**
   * @param isLenient whether lines go to standard error where the file cannot be opened, until
   *   `reopen` finds it
   * @throws LogFileError
   */
  constructor(options: LogOptions, { isLenient = false } = {}) {
    this.#files = new Map();
    this.#buffer = new GatheringBuffer();
    this.#stream = new LineStream(this.#buffer, options.useJson);
    this.logger = makeLogger(options, this.#stream);
    this.#useFiles(this.#openFiles(options, isLenient));
    process.on("exit", () => {
      this.#buffer.flush();
      for (const file of this.#files.values()) file.flush();
    });
  }

  /**
   * Opens the file by its name anew: logrotate has moved the other one away. Where that cannot be done,
   * it says so and goes on as before; the next call tries again.
   */
  reopen(): void {
    // What was said before belongs into the file from before.
    this.#buffer.flush();
    for (const file of this.#files.values()) {
      try {
        file.reopen();
      } catch (error) {
        if (!(error instanceof LogFileError)) throw error;
        this.#warnOfFile(
          `${error.message}; until the next SIGHUP, lines go where they went before`,
        );
      }
    }
  }

  /**
   * Makes ready to go on by other options.
   *
   * @throws LogFileError a file that was not open yet cannot be opened
   */
  prepare(options: LogOptions): PreparedLog {
    const files = this.#openFiles(options, false);
    return {
      use: () => {
        this.#useFiles(files);
        this.#stream.useJson = options.useJson;
        this.logger.level = levelFor(options.debug);
      },
      discard: () => closeAllBut(this.#files, files),
    };
  }

  /**
   * Writes what is left, within a limit of time, as the process is about to end. Where a slow terminal
   * or disk keeps a write from finishing, the process would not end by itself: it is killed.
   */
  async end(): Promise<void> {
    this.#buffer.flush();
    const isWriting = () => this.#files.values().some((file) => file.isWriting);
    for (const limitMs = performance.now() + END_LIMIT_MS; isWriting(); await sleep(5)) {
      if (performance.now() > limitMs) process.kill(process.pid, "SIGKILL");
    }
  }

  #useFiles(files: ReadonlyMap<string, LogFile>): void {
    const former = this.#files;
    this.#files = files;
    this.#buffer.writeTo([...files.values()]);
    closeAllBut(files, former);
  }

  /** Those that are open already stay open. */
  #openFiles({ logFile, logDir, useStderr }: LogOptions, isLenient: boolean) {
    const files = new Map<string, LogFile>();
    const open = (path: string, make: () => LogFile) =>
      files.set(path, this.#files.get(path) ?? make());
    if (logFile !== undefined) {
      const path = resolve(logDir ?? "", logFile);
      open(path, () => this.#openFile(path, isLenient));
    }
    if (useStderr || logFile === undefined) {
      open("", () => LogFile.standardError(this.#hooksOf("standard error")));
    }
    return files;
  }

  #openFile(path: string, isLenient: boolean): LogFile {
    const hooks = this.#hooksOf(path);
    try {
      return LogFile.open(path, hooks);
    } catch (error) {
      if (!isLenient || !(error instanceof LogFileError)) throw error;
      this.logger.warn(`${error.message}; until the next SIGHUP, lines go to standard error`);
      return LogFile.standardError(hooks, path);
    }
  }

  #hooksOf(name: string): LogFileHooks {
    return {
      onFull: (reason) => {
        if (name !== "standard error") complain(`the log cannot be written: ${reason}`);
      },
      onRoom: (count, reason) =>
        this.logger.warn(`${count} lines of the log to ${name} were lost: ${reason}`),
    };
  }

  /** Also on standard error, as nobody may look at the file any more. */
  #warnOfFile(text: string): void {
    this.logger.warn(text);
    if (!this.#files.has("")) complain(text);
  }
}

/** What nobody would find in a log that cannot be written. */
function complain(text: string): void {
  // oxlint-disable-next-line eslint/no-console -- it is about the log itself; the console ignores failures
  console.error(`stowage: ${text}`);
}

/** Options whose files are open; to be taken up or given up. */
export interface PreparedLog {
  use(): void;
  discard(): void;
}

function closeAllBut(
  kept: ReadonlyMap<string, LogFile>,
  files: ReadonlyMap<string, LogFile>,
): void {
  for (const [path, file] of files) if (kept.get(path) !== file) file.close();
}

/**
 * Lines wait so long for others. A write that another thread does wakes it and is told of by it, which takes more
 * processor time than most answers: 0.3 ms for each of one client's requests, one after the other.
 */
const GATHER_MS = 20;

/** So many characters wait for no others. */
const MAX_GATHERED = 64 * 1024;

/** Writes the lines of a short time together, with one call of the system for all. */
class GatheringBuffer implements LineDestination {
  #destinations: readonly LineDestination[] = [];
  #lines = "";
  #timer: NodeJS.Timeout | undefined;

  write(line: string): void {
    this.#lines += line;
    if (this.#lines.length > MAX_GATHERED) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), GATHER_MS).unref();
  }

  /** From now on; what was written before goes where it was to go, if that was known. */
  writeTo(destinations: readonly LineDestination[]): void {
    if (this.#destinations.length > 0) this.flush();
    this.#destinations = destinations;
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#lines;
    if (lines === "") return;
    this.#lines = "";
    for (const destination of this.#destinations) destination.write(lines);
  }
}

/** What pino leaves on a stream that asks for it, so that the JSON need not be parsed again. */
const WANTS_METADATA = Symbol.for("pino.metadata");

class LineStream implements DestinationStream {
  readonly [WANTS_METADATA] = true;
  lastLevel = 0;
  lastMsg: string | undefined;
  lastObj: (LoggedRequest & { component?: string; err?: unknown }) | undefined;
  /** Whether the objects are written as they are. */
  useJson: boolean;
  readonly #destination: LineDestination;

  constructor(destination: LineDestination, useJson: boolean) {
    this.#destination = destination;
    this.useJson = useJson;
  }

  write(json: string): void {
    this.#destination.write(this.useJson ? json : this.#text());
  }

  #text(): string {
    const facts = this.lastObj ?? {};
    const name = facts.component === undefined ? "stowage" : `stowage.${facts.component}`;
    const level = LEVELS[this.lastLevel] ?? "INFO";
    const prefix = `${localTime()} ${process.pid} ${level} ${name} ${requestPart(facts)}`;
    const trace =
      facts.err instanceof Error
        ? maskUserInfo(facts.err.stack ?? facts.err.message).split("\n")
        : [];
    const lines = [oneLine(this.lastMsg ?? ""), ...trace.map(printable)];
    return lines.map((line) => `${prefix} ${line}\n`).join("");
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
