import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

import { askAt, makePlace, serve, until, type Place } from "./support.ts";

const isRoot = process.getuid?.() === 0;

describe("a log without room", () => {
  /** A disk of 32 KiB. */
  function mountSmallDisk(place: Place): string {
    const path = join(place.folder, "disk");
    mkdirSync(path);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=32k", "tmpfs", path]);
    onTestFinished(() => void execFileSync("umount", ["--lazy", path]));
    return path;
  }

  test.skipIf(!isRoot).each(["log_file", "standard error"])(
    "on a full disk, %s loses lines, and says how many when there is room again",
    async (name) => {
      const place = await makePlace();
      const disk = mountSmallDisk(place);
      const logFile = join(disk, "placement.log");
      const isFile = name === "log_file";
      if (isFile) await place.configure({ DEFAULT: { log_file: logFile } });
      const served = serve(place, isFile ? {} : { before: `exec 2>${logFile}` });
      const url = await served.url();
      await overflow(url);
      execFileSync("mount", ["-o", "remount,size=64m", disk]);
      await until(() =>
        / WARNING .* [0-9]+ lines of the log to .* were lost: ENOSPC/.test(read(logFile)),
      );
      expect(countRequests(read(logFile))).toBe(LONG_REQUESTS - lostLines(read(logFile)));
      if (isFile)
        expect(served.errors).toEqual([expect.stringContaining("cannot be written: ENOSPC")]);
      await askAt(`${url}/afterwards`);
      await until(() => read(logFile).includes("/afterwards"));
    },
  );

  test("on a disk that stays full, SIGTERM ends the service", async () => {
    const place = await makePlace({ DEFAULT: { log_file: "/dev/full" } });
    const served = serve(place);
    await overflow(await served.url());
    served.process.kill("SIGTERM");
    expect(await served.ended).toEqual([0, null]);
  });

  /** Standard error is a pipe; nobody reads it unless the test does. */
  async function serveIntoPipe() {
    const place = await makePlace();
    const path = join(place.folder, "pipe");
    execFileSync("mkfifo", [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const served = serve(place, { before: `exec 2>${path}` });
    return { served, reader, path, url: await served.url() };
  }

  test("that nobody reads holds up no request, and not the end", async () => {
    const { served, reader, url } = await serveIntoPipe();
    onTestFinished(() => closeSync(reader));
    await overflow(url);
    served.process.kill("SIGTERM");
    expect(await served.ended).toEqual([0, null]);
  });

  test("whose reader is gone holds up no request, and tells the next reader what it missed", async () => {
    const { served, reader, path, url } = await serveIntoPipe();
    closeSync(reader);
    await overflow(url);
    const cat = execFileSync("sh", ["-c", `timeout 30 sed '/lines of the log/q' ${path}`], {
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
    });
    expect(cat).toMatch(/[0-9]+ lines of the log to standard error were lost: EPIPE/);
    served.process.kill("SIGTERM");
    expect(await served.ended).toEqual([0, null]);
  });
});

describe("the file of the log", () => {
  async function makeLogPlace() {
    const place = await makePlace();
    const folder = join(place.folder, "log");
    const logFile = join(folder, "placement.log");
    await place.configure({ DEFAULT: { log_file: logFile } });
    return { place, folder, logFile };
  }

  test("in a folder that is gone at SIGHUP is found at the next one", async () => {
    const { place, folder, logFile } = await makeLogPlace();
    mkdirSync(folder);
    const served = serve(place);
    const url = await served.url();
    renameSync(folder, `${folder}.1`);
    served.process.kill("SIGHUP");
    await until(() => served.errors.some((line) => line.includes("until the next SIGHUP")));
    expect(served.errors).toHaveLength(1);
    await askAt(`${url}/meanwhile`);
    await until(() => read(`${folder}.1/placement.log`).includes("/meanwhile"));

    mkdirSync(folder);
    served.process.kill("SIGHUP");
    await until(() => read(logFile).includes("read again"));
    await askAt(`${url}/later`);
    await until(() => read(logFile).includes("/later"));
  });

  test("in a folder that is missing at the start is told of in one line", async () => {
    const { place, logFile } = await makeLogPlace();
    const served = serve(place);
    expect(await served.ended).toEqual([1, null]);
    expect(served.errors).toEqual([
      expect.stringMatching(/^stowage: \[DEFAULT\] log_file: the user \S+ cannot write to /),
    ]);
    expect(served.errors[0]).toContain(logFile);
  });

  test("and its format are changed by SIGHUP, unless the new one cannot be opened", async () => {
    const { place, folder, logFile } = await makeLogPlace();
    mkdirSync(folder);
    const served = serve(place);
    const url = await served.url();
    await place.configure({ DEFAULT: { log_file: join(folder, "missing", "x.log") } });
    served.process.kill("SIGHUP");
    await until(() => read(logFile).includes("stays as it was: [DEFAULT] log_file"));

    const other = join(folder, "other.log");
    await place.configure({ DEFAULT: { log_file: other, use_json: true } });
    served.process.kill("SIGHUP");
    await until(() => read(other).includes("read again"));
    await askAt(`${url}/later`);
    await until(() => read(other).includes("/later"));
    for (const line of read(other).trim().split("\n"))
      expect(JSON.parse(line)).toBeTypeOf("object");
    expect(read(logFile)).not.toContain("/later");
    expect(read(other)).not.toContain("next start");
  });
});

describe("what is told in one line at the start", () => {
  // Root may write everywhere.
  const asNobody = isRoot ? "setpriv --reuid=65534 --clear-groups " : "";

  test.each(["folder", "missing folder"])(
    "an SQLite file in a %s that cannot be used",
    async (kind) => {
      const place = await makePlace();
      chmodSync(place.folder, 0o755);
      const folder = join(place.folder, "data");
      if (kind === "folder") mkdirSync(folder, { mode: 0o555 });
      const connection = `sqlite:///${join(folder, "p.sqlite")}`;
      await place.configure({ placement_database: { connection } });
      chmodSync(join(place.folder, "placement.conf"), 0o644);
      const served = serve(place, { through: asNobody });
      expect(await served.ended).toEqual([1, null]);
      expect(complaintsIn(served.errors)).toEqual([
        expect.stringMatching(
          /^stowage: the user \S+ cannot use the SQLite file \S+ of \[placement_database\] connection /,
        ),
      ]);
      expect(complaintsIn(served.errors)[0]).toContain(join(folder, "p.sqlite"));
    },
  );
});

const LONG_REQUESTS = 250;

/** More lines than wait for room: 2 MB. */
async function overflow(url: string): Promise<void> {
  for (let count = 0; count < LONG_REQUESTS; count += 10) {
    const answers = Array.from({ length: 10 }, () => askAt(`${url}/${"x".repeat(8000)}`));
    for (const { status } of await Promise.all(answers)) expect(status).toBe(404);
  }
}

/** What is said beside the log. */
function complaintsIn(errors: readonly string[]): string[] {
  return errors.filter((line) => line.startsWith("stowage: "));
}

function countRequests(text: string): number {
  return text.match(/"GET \/x+" status: 404/g)?.length ?? 0;
}

function lostLines(text: string): number {
  const found = text.matchAll(/ ([0-9]+) lines of the log/g);
  return Array.from(found, ([, count]) => Number(count)).reduce((sum, count) => sum + count, 0);
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
