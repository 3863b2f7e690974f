import { execFileSync } from "node:child_process";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";

import { listFiles, readText, ROOT } from "./source-files.ts";

// Whoever reads a page has the repository or the package, and follows its links there.

const PACKED = packedFiles();

describe.for<[where: string, files: readonly string[]]>([
  ["in the repository", listFiles()],
  ["in the package", PACKED],
])("%s, the documentation", ([, files]) => {
  const pages = files.filter((path) => path.endsWith(".md"));
  const places = new Set(files.flatMap(withFolders));

  test("links only to what is there", () => {
    const broken = pages.flatMap((page) =>
      linksOf(page).filter(({ target }) => !leadsSomewhere(page, target, places)),
    );
    const wayOut =
      "correct the link or the heading that it names; of what is not packed, write the path as `code`";
    expect(broken, wayOut).toEqual([]);
  });
});

test("the documentation names only files of the sources that are there", () => {
  const places = new Set(listFiles().flatMap(withFolders));
  const broken = listFiles()
    .filter((path) => path.endsWith(".md"))
    .flatMap((page) => namedIn(page).filter(({ target }) => !places.has(target)));
  expect(broken, "correct the path").toEqual([]);
});

test("the package has the pages that a reader is sent to from outside", () => {
  expect(PACKED).toEqual(
    expect.arrayContaining(["README.md", "docs/start.md", "deploy/stowage.service"]),
  );
});

interface Reference {
  readonly line: string;
  readonly target: string;
}

/** Without what is compiled, which no page links to. */
function packedFiles(): string[] {
  const words = ["pack", "--dry-run", "--json", "--ignore-scripts", "--loglevel=silent"];
  const output = execFileSync("npm", words, { cwd: ROOT, encoding: "utf8" });
  const [packed] = JSON.parse(output) as [{ readonly files: readonly { path: string }[] }];
  return packed.files.map(({ path }) => path).filter((path) => !path.startsWith("dist/"));
}

/** A file, and the folders that it is in. */
function withFolders(path: string): string[] {
  const folder = dirname(path);
  return folder === "." ? [path] : [path, ...withFolders(folder)];
}

/** The links of a page to other files of the project, or to headings of its own. */
function linksOf(page: string): Reference[] {
  return referencesIn(page, /\]\(([^)\s]+)\)/g).filter(({ target }) => !/^[a-z]+:/.test(target));
}

/** Paths as code; with a placeholder or a wildcard in it, it is none. */
function namedIn(page: string): Reference[] {
  return referencesIn(page, /`((?:src|test|bench|scripts)\/[\w./-]*\w)`/g);
}

function referencesIn(page: string, pattern: RegExp): Reference[] {
  const block = /^(```|~~~)[^]*?^\1/gm;
  const text = readText(page).replace(block, (code) => code.replace(/[^\n]/g, ""));
  return text.split("\n").flatMap((line, index) =>
    Array.from(line.matchAll(pattern), ([, target = ""]) => ({
      line: `${page}:${index + 1}`,
      target,
    })),
  );
}

function leadsSomewhere(page: string, target: string, places: ReadonlySet<string>): boolean {
  const [path = "", heading] = target.split("#");
  const file = path === "" ? page : normalize(join(dirname(page), path)).replace(/\/$/, "");
  if (!places.has(file)) return false;
  return heading === undefined || headingsOf(file).has(heading);
}

/** The anchors that a page's headings get where it is shown. */
function headingsOf(page: string): Set<string> {
  const headings = readText(page).matchAll(/^#+ (.+)$/gm);
  return new Set(
    Array.from(headings, ([, heading = ""]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}
