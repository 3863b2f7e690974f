import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { ROOT, readText } from "../source-files.ts";
import { cleanEnvironment, makeFolder, startHere, type LocalStowage } from "../support/stowage.ts";

const PAGE = "docs/hand-out-gpus.md";
/** What the page uses besides Stowage, which not every machine has. */
const PROGRAMS = ["bash", "curl", "jq"];

function isThere(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}

interface Block {
  readonly language: string;
  readonly text: string;
}

let folder: Awaited<ReturnType<typeof makeFolder>>;
let stowage: LocalStowage;
let shell: Shell;

beforeAll(async () => {
  folder = await makeFolder();
  stowage = await startHere();
  // As if this were a checkout.
  await mkdir(join(folder.path, "bin"));
  const command = `#!/bin/sh\nexec ${join(ROOT, "bin", "stowage")} "$@"\n`;
  await writeFile(join(folder.path, "bin", "stowage"), command, { mode: 0o755 });
  shell = new Shell(folder.path);
});

afterAll(async () => {
  shell.end();
  await stowage.stop();
  await folder.remove();
});

test.runIf(PROGRAMS.every(isThere))(
  "every block of the page on handing out GPUs does what the page says",
  async () => {
    const blocks = blocksOf(readText(PAGE));
    const kinds = blocks.map(({ language }) => language);
    expect(new Set(kinds)).toEqual(new Set(["text", "sh", "console", "ts"]));
    for (const { language, text } of blocks) {
      if (language === "text") continue;
      // It is served already, elsewhere.
      if (text === "bin/stowage serve --demo\n") continue;
      if (language === "ts") await writeFile(join(folder.path, "book.ts"), text);
      else if (text.startsWith("#!")) {
        await writeFile(join(folder.path, "book"), text);
        await chmod(join(folder.path, "book"), 0o755);
      } else if (language === "sh") {
        const here = text.replaceAll("http://127.0.0.1:8778", stowage.client.url);
        const { output, exitCode } = await shell.run(here);
        expect(exitCode, `${text}\n${output}`).toBe(0);
      } else for (const example of examplesIn(text)) await expectAsPrinted(example);
    }
    // Each example has given back what it took.
    const { consumers } = (await stowage.client.get("/stowage/v1/consumers")).json<{
      consumers: unknown[];
    }>();
    expect(consumers).toEqual([]);
  },
);

test("the scripts of the page are as short as they look", () => {
  const scripts = blocksOf(readText(PAGE)).filter(
    ({ language, text }) => language === "ts" || text.startsWith("#!"),
  );
  expect(scripts).toHaveLength(2);
  for (const { text } of scripts) expect(text.trimEnd().split("\n").length).toBeLessThan(40);
});

async function expectAsPrinted({ command, output }: { command: string; output: string }) {
  const printed = await shell.run(command);
  expect(alike(printed.output), command).toBe(alike(output));
}

function blocksOf(page: string): Block[] {
  return [...page.matchAll(/```(\w+)\n([^]*?)```/g)].map(([, language = "", text = ""]) => ({
    language,
    text,
  }));
}

/** Commands after the prompt, and what is below each. */
function examplesIn(block: string) {
  return [...block.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)].map(
    ([, command = "", output = ""]) => ({ command, output }),
  );
}

/** UUIDs and times are of each run. */
function alike(text: string): string {
  return text
    .trimEnd()
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "UUID");
}

/** One shell for all blocks, as a reader has. */
class Shell {
  readonly #process: ChildProcess;
  #printed = "";
  #wake: () => void = () => {};

  constructor(place: string) {
    this.#process = spawn("bash", ["--noprofile", "--norc"], {
      cwd: place,
      env: {
        ...cleanEnvironment(place),
        PATH: `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"]}`,
      },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#process.stdin!.write("exec 2>&1\n");
    this.#process.stdout!.on("data", (part: Buffer) => {
      this.#printed += part.toString();
      this.#wake();
    });
  }

  /** What lines print, and the exit code of the first of them that fails. */
  async run(lines: string): Promise<{ output: string; exitCode: number }> {
    this.#printed = "";
    this.#process.stdin!.write(`trap 'failed=$?' ERR; failed=0\n${lines}\necho "ended $failed"\n`);
    for (;;) {
      const [end, exitCode] = /ended (\d+)\n$/.exec(this.#printed) ?? [];
      if (end !== undefined)
        return { output: this.#printed.slice(0, -end.length), exitCode: Number(exitCode) };
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  end(): void {
    this.#process.kill();
  }
}
