import { close, constants, openSync, write, writeSync } from "node:fs";
import { OperatorError, processUser, messageOf } from "../config/operator-error.ts";

/** A file that log lines are to go to cannot be opened. */
export class LogFileError extends OperatorError {
  constructor(path: string, cause: unknown) {
    const reason = messageOf(cause);
    super(
      `[DEFAULT] log_file: ${processUser()} cannot write to ${path} (${reason}): make the folder, or ` +
        "give it to that user",
      { cause },
    );
  }
}

/**
 * So many characters wait for room or for a slow reader at most, some 6,000 lines; a reader that has
 * stalled for seconds misses nothing, and the memory of the process stays what it is.
 */
const MAX_WAITING = 1024 * 1024;

/** When it is tried again whether there is room, or a reader has made some. */
const RETRY_MS = { full: 250, slow: 10 };

/** What a destination has to tell about itself, in the log. */
export interface LogFileHooks {
  /** There is no room: lines wait, and from some number on are lost. */
  readonly onFull: (reason: string) => void;
  /** Nothing is lost any more; before that, so many lines were, for that reason. */
  readonly onRoom: (lostLines: number, reason: string) => void;
}

/**
 * A bounded queue of log lines before a file descriptor. What there is no room for, because the disk is
 * full, nobody reads the pipe, or its reader is gone, is lost and counted: no request waits for the log, and
 * neither does the end of the process.
 *
 * The destination that comes with the logger will not do: it tries to write without end while the
 * process ends, and keeps everything that it could not write.
 */
export class LogFile {
  readonly #path: string | undefined;
  readonly #hooks: LogFileHooks;
  #descriptor: number;
  /** Lines that came while others were being written. */
  #waiting = "";
  /** What is left of that which is being written. */
  #rest: Buffer = Buffer.alloc(0);
  #isWriting = false;
  #retry: NodeJS.Timeout | undefined;
  #lostLines = 0;
  #failure = "";
  /** To be closed as soon as nothing is being written to them. */
  #former: number[] = [];

  private constructor(descriptor: number, path: string | undefined, hooks: LogFileHooks) {
    this.#descriptor = descriptor;
    this.#path = path;
    this.#hooks = hooks;
  }

  /** @throws LogFileError */
  static open(path: string, hooks: LogFileHooks): LogFile {
    return new LogFile(openToAppend(path), path, hooks);
  }

  /** @param path of a file that is not there, and that `reopen` looks for */
  static standardError(hooks: LogFileHooks, path?: string): LogFile {
    // Node lets no pipe or socket block a writer once it has made a stream of it; a thread that is
    // blocked would keep the process from ending.
    void process.stderr;
    return new LogFile(STANDARD_ERROR, path, hooks);
  }

  /** @param lines whole ones */
  write(lines: string): void {
    if (this.#waiting.length + lines.length > MAX_WAITING) {
      this.#lostLines += countLines(lines);
      this.#failure ||= "they were not taken as fast as they came";
      return;
    }
    this.#waiting += lines;
    if (!this.#isWriting && !this.#retry) this.#writeNext();
  }

  /**
   * Opens the file by its name anew, as somebody may have moved it away.
   *
   * @throws LogFileError and goes on with the file that is open
   */
  reopen(): void {
    if (this.#path === undefined) return;
    const descriptor = openToAppend(this.#path);
    this.#leave();
    this.#descriptor = descriptor;
  }

  /** Writes what waits if there is room for it, without waiting for any, and takes no more. */
  close(): void {
    this.flush();
    clearTimeout(this.#retry);
    this.#leave();
  }

  /** Writes what waits, at once, as the process is about to end. */
  flush(): void {
    // What is being written in a thread is as good as written.
    if (this.#isWriting) this.#rest = Buffer.alloc(0);
    try {
      for (let bytes = this.#takeAll(); bytes.length > 0;) {
        bytes = bytes.subarray(writeSync(this.#descriptor, bytes));
      }
    } catch {
      // There is no room, and nobody left who could tell.
    }
  }

  /** Whether a thread is busy with a write that the system has not finished. */
  get isWriting(): boolean {
    return this.#isWriting;
  }

  #takeAll(): Buffer {
    const bytes = Buffer.concat([this.#rest, Buffer.from(this.#waiting)]);
    this.#waiting = "";
    this.#rest = Buffer.alloc(0);
    return bytes;
  }

  #writeNext(): void {
    if (this.#rest.length === 0 && this.#waiting === "") return;
    if (this.#rest.length === 0) this.#rest = this.#takeAll();
    this.#isWriting = true;
    write(this.#descriptor, this.#rest, (error, count) => {
      this.#isWriting = false;
      this.#closeFormer();
      if (error) this.#tryLater(error);
      else {
        this.#rest = this.#rest.subarray(count);
        this.#tellOfRoom();
        this.#writeNext();
      }
    });
  }

  #tryLater({ code, message }: NodeJS.ErrnoException): void {
    const isSlow = code === "EAGAIN" || code === "EINTR";
    if (!isSlow) {
      if (this.#failure === "") this.#hooks.onFull(message);
      this.#failure = message;
    }
    this.#retry = setTimeout(
      () => {
        this.#retry = undefined;
        this.#writeNext();
      },
      isSlow ? RETRY_MS.slow : RETRY_MS.full,
    ).unref();
  }

  #tellOfRoom(): void {
    // Part of a line may have found the last room that there was.
    const hasRoom = this.#rest.length === 0 && this.#waiting.length < MAX_WAITING / 2;
    if (!hasRoom) return;
    const [lostLines, failure] = [this.#lostLines, this.#failure];
    this.#lostLines = 0;
    this.#failure = "";
    if (lostLines > 0) this.#hooks.onRoom(lostLines, failure);
  }

  #leave(): void {
    if (this.#descriptor !== STANDARD_ERROR) this.#former.push(this.#descriptor);
    if (!this.#isWriting) this.#closeFormer();
  }

  #closeFormer(): void {
    for (const descriptor of this.#former.splice(0)) close(descriptor, () => {});
  }
}

const STANDARD_ERROR = 2;

/** A pipe by that name neither blocks who opens it, for lack of a reader, nor who writes to it. */
const TO_APPEND =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

function openToAppend(path: string): number {
  try {
    return openSync(path, TO_APPEND, 0o640);
  } catch (error) {
    throw new LogFileError(path, error);
  }
}

function countLines(text: string): number {
  return text.split("\n").length - 1;
}
