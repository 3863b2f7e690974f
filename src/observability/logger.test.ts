import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { createLogger, Log, printable } from "./logger.ts";

const OPTIONS = {
  debug: false,
  useJson: false,
  useStderr: false,
  logFile: undefined,
  logDir: undefined,
};

function logTo(options: Partial<typeof OPTIONS> = {}) {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  return { logger: createLogger({ ...OPTIONS, ...options }, stream), lines };
}

test("a line has time, process, level, component and message, as operators' tools expect", () => {
  const { logger, lines } = logTo();
  logger.info("hello %s", "there");
  logger.warn({ component: "database" }, "careful");
  expect(lines[0]).toMatch(
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ INFO stowage \[-\] hello there\n$/,
  );
  expect(lines[1]).toContain(` ${process.pid} WARNING stowage.database [-] careful\n`);
});

test("a line of a request names it, and who sent it", () => {
  const { logger, lines } = logTo();
  const request = {
    requestId: "req-1",
    globalRequestId: "req-0",
    userId: "joe",
    projectId: "demo",
  };
  logger.info(request, "hello");
  logger.info({ requestId: "req-2", userId: "joe\nx" }, "hello");
  expect(lines[0]).toContain(" [req-0 req-1 joe demo - - -] hello\n");
  expect(lines[1]).toContain(" [None req-2 joe?x - - - -] hello\n");
});

test("an error is logged with its stack, each line with its request", () => {
  const { logger, lines } = logTo();
  logger.error({ requestId: "req-1", err: new Error("broken") }, "Unexpected error");
  const [message, error, frame] = (lines[0] ?? "").split("\n");
  expect(message).toMatch(/ERROR stowage \[None req-1 .*\] Unexpected error$/);
  expect(error).toMatch(/\[None req-1 .*\] Error: broken$/);
  expect(frame).toMatch(/\[None req-1 .*\] {5}at .*logger\.test\.ts/);
});

test("a message with line breaks is one line, and so is each line of a stack", () => {
  const { logger, lines } = logTo();
  logger.warn("first\r\nsecond\nthird\u2028fourth\rfifth");
  const err = new Error("broken");
  err.stack = "Error: broken\rforged\n    at x";
  logger.error({ err }, "failed");
  const [warning, ...more] = lines.join("").trimEnd().split("\n");
  expect(warning).toMatch(/ WARNING stowage \[-\] first\\nsecond\\nthird\?fourth\?fifth$/);
  expect(more).toHaveLength(3);
  expect(more[1]).toMatch(/ ERROR stowage \[-\] Error: broken\?forged$/);
});

test("level DEBUG is for those who ask for it", () => {
  const quiet = logTo();
  quiet.logger.debug("details");
  expect(quiet.lines).toEqual([]);
  const verbose = logTo({ debug: true });
  verbose.logger.debug("details");
  expect(verbose.lines[0]).toContain(" DEBUG stowage [-] details");
});

test("a line may be a JSON object", () => {
  const { logger, lines } = logTo({ useJson: true });
  logger.warn({ requestId: "req-1", err: new Error("broken") }, "hello");
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    level: 40,
    pid: process.pid,
    requestId: "req-1",
    msg: "hello",
    err: { message: "broken" },
  });
});

test.each([false, true])(
  "what an error holds besides its text is not logged (JSON: %s)",
  (useJson) => {
    const { logger, lines } = logTo({ useJson });
    let error: unknown;
    try {
      error = new URL("http://user:secret@h:x/");
    } catch (reason) {
      error = reason;
    }
    logger.error({ err: error }, "Unexpected error");
    logger.error({ err: new Error("no answer from http://user:secret@h/") }, "Unexpected error");
    expect(lines.join("")).toContain("Invalid URL");
    expect(lines.join("")).toContain("no answer from http://***@h/");
    expect(lines.join("")).not.toContain("secret");
  },
);

test("lines are appended to a file, which may be relative to log_dir", async () => {
  const logDir = mkdtempSync(join(tmpdir(), "stowage-log-"));
  onTestFinished(() => rmSync(logDir, { recursive: true }));
  for (const text of ["first", "second"]) {
    new Log({ ...OPTIONS, logDir, logFile: "stowage.log" }).logger.info(text);
    await vi.waitFor(
      () => {
        expect(readFileSync(join(logDir, "stowage.log"), "utf8")).toContain(text);
      },
      { timeout: 60_000 },
    );
  }
  const lines = readFileSync(join(logDir, "stowage.log"), "utf8");
  expect(lines).toMatch(/ first\n.* second\n$/);
});

test.each([false, true])(
  "lines go to the file also when standard error gets them",
  async (useJson) => {
    const logDir = mkdtempSync(join(tmpdir(), "stowage-log-"));
    onTestFinished(() => rmSync(logDir, { recursive: true }));
    new Log({ ...OPTIONS, useJson, logDir, logFile: "x.log", useStderr: true }).logger.info("both");
    await vi.waitFor(() => expect(readFileSync(join(logDir, "x.log"), "utf8")).toContain("both"), {
      timeout: 60_000,
    });
  },
);

test("what a client sent cannot begin a new line", () => {
  expect(printable("a\r\nb\u2028c\u0085d\te")).toBe("a??b?c?d?e");
});
