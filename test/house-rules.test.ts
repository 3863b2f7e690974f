import { dirname, join } from "node:path";
import type { ESTree } from "vite";
import { describe, expect, test } from "vitest";

import { ERROR_CODES } from "../src/api/error-codes.ts";
import { PLACEMENT_ROUTES } from "../src/api/placement/routes.ts";
import { STOWAGE_ROUTES } from "../src/api/stowage/routes.ts";
import { ALL_OPTIONS, camelCase, optionLabel } from "../src/config/options.ts";
import { listFiles, listModules, readText, SourceModule, type SyntaxNode } from "./source-files.ts";

const modules = listModules();
const textFiles = listFiles().filter((path) => !/\.(sqlite|tgz|png|ico|woff2)/.test(path));

describe("SQL", () => {
  test("is written in src/db only", () => {
    const wrong = modules
      .filter(({ path }) => !path.startsWith("src/db/"))
      .flatMap((module) =>
        locateNodes(module, ({ node }) => {
          const text = textOf(node) ?? "";
          return TOUCHES_ROWS.test(text) || TOUCHES_SCHEMA.test(text);
        }),
      );
    expect(wrong, "move the statement to the file of its noun in src/db").toEqual([]);
  });

  // A migration copies the columns that the schema names: there is no other way to say it.
  test("that touches rows is never put together from strings", () => {
    const wrong = modules
      .filter(({ path }) => !path.startsWith("src/db/migrations/"))
      .flatMap((module) => locateNodes(module, isAssembledSql));
    expect(wrong, "use the query builder, or the sql template with bound values").toEqual([]);
  });
});

describe("the sources", () => {
  test("hold no file that nothing leads to", () => {
    const starts = textFiles.filter((path) => /^(src\/main|scripts\/.*)\.ts$/.test(path));
    const reached = reachableFrom(starts.map((path) => new SourceModule(path)));
    const dead = modules.map(({ path }) => path).filter((path) => !reached.has(path));
    expect(dead, "delete the file, or import it where it is needed").toEqual([]);
  });

  test("read every option that is not said to be without effect", () => {
    const names = new Set(
      modules
        .filter(({ path }) => /^src\/(?!config\/options\.ts|.*\.test\.ts$)/.test(path))
        .flatMap(({ nodes }) =>
          nodes.flatMap(({ node }) => (node.type === "Identifier" ? [node.name] : [])),
        ),
    );
    const unread = ALL_OPTIONS.filter(
      ({ name, definition }) => definition.ignored === undefined && !names.has(camelCase(name)),
    );
    expect(unread.map(optionLabel), "make use of it, or say why it is `ignored`").toEqual([]);
  });

  test("name no path of a machine, no host of a package registry, no number of an issue", () => {
    const wrong = textFiles
      .filter((path) => !path.startsWith("docs/decisions/"))
      .flatMap((path) => locateLines(path, NEVER_NAMED));
    expect(wrong, "say it in the project's own terms").toEqual([]);
  });
});

describe("the lock file", () => {
  const lock = JSON.parse(readText("package-lock.json")) as LockFile;
  const packages = Object.entries(lock.packages);

  // npm leaves some out when it writes the file beside an installation for one platform.
  test("has the packages of every platform, so that npm ci works on all of them", () => {
    const names = new Set(packages.map(([path]) => path.replace(/^.*node_modules\//, "")));
    const missing = packages.flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter((name) => !names.has(name))
        .map((name) => `${name}, of ${path || "Stowage"}`),
    );
    expect(missing, "write package-lock.json anew without node_modules").toEqual([]);
  });

  test("says of no package from where it was downloaded", () => {
    const resolved = packages.flatMap(([path, entry]) => (entry.resolved ? [path] : []));
    expect(resolved, "set omit-lockfile-registry-resolved=true").toEqual([]);
  });
});

describe("the documentation", () => {
  test("lists the error codes, each one and no others", () => {
    const listed = readText("docs/reference/errors.md").match(
      /(?<=`)(?:placement|stowage)\.[a-z_.]+[a-z_](?=`)/g,
    );
    expect(new Set(listed)).toEqual(new Set(Object.values(ERROR_CODES)));
  });

  test.each([
    ["docs/reference/compatibility.md", PLACEMENT_ROUTES],
    ["docs/reference/stowage-api.md", STOWAGE_ROUTES],
  ])("lists the methods of every path, and no others, in %s", (file, routes) => {
    const page = readText(file);
    const rows = page.matchAll(/^\| `(\/\S*)` \| ([^|]*) \|/gm);
    const listed = Array.from(rows, ([, path, methods = ""]) =>
      [path, ...(methods.match(/\b[A-Z]+\b/g) ?? []).toSorted()].join(" "),
    );
    const served = Object.entries(routes).map(([path, methods]) =>
      [path, ...Object.keys(methods).toSorted()].join(" "),
    );
    expect(listed.toSorted()).toEqual(served.toSorted());
  });
});

interface LockFile {
  readonly packages: Readonly<
    Record<
      string,
      { readonly optionalDependencies?: Readonly<Record<string, string>>; resolved?: string }
    >
  >;
}

/** How statements begin: the verb, and what the verb needs next. */
const TOUCHES_ROWS =
  /^\s*(select\s[^]*\sfrom\s|insert\s+into\s|update\s+\S+\s+set\s|delete\s+from\s|with\s+(recursive\s+)?\w+\s+as\s*\()/i;
const TOUCHES_SCHEMA =
  /^\s*((create|alter|drop)\s+(table|index|unique|trigger|view)\s|pragma\s+\w)/i;

/** What belongs to one machine, one network or one tracker, and means nothing to a reader. */
const NEVER_NAMED =
  /(^|[^a-z.])\/(work|farm|root)\/|https?:\/\/[a-z0-9.-]*(registry|deb)\.|\bissues? #?[0-9]+\b/i;

function locateNodes(module: SourceModule, isWanted: (node: SyntaxNode) => boolean): string[] {
  return module.nodes.filter(isWanted).map(({ node }) => module.locate(node));
}

/** The text of a string or template; a value that is filled in stands as `?`. */
function textOf(node: ESTree.Node): string | undefined {
  if (node.type === "TemplateLiteral") return node.quasis.map(({ value }) => value.raw).join("?");
  return node.type === "Literal" && typeof node.value === "string" ? node.value : undefined;
}

/** A statement with values pasted in; a tagged template binds them instead. */
function isAssembledSql({ node, parent }: SyntaxNode): boolean {
  if (node.type === "TemplateLiteral") {
    const isTagged = parent?.type === "TaggedTemplateExpression";
    return !isTagged && node.expressions.length > 0 && TOUCHES_ROWS.test(textOf(node) ?? "");
  }
  const isSum = node.type === "BinaryExpression" && node.operator === "+";
  return isSum && TOUCHES_ROWS.test(`${textOf(node.left) ?? ""} ? `);
}

/** Modules, the modules that they import, and those that these import. */
function reachableFrom(starts: readonly SourceModule[]): Set<string> {
  const byPath = new Map(modules.map((module) => [module.path, module]));
  const reached = new Set<string>();
  const visit = (module: SourceModule | undefined): void => {
    if (module === undefined || reached.has(module.path)) return;
    reached.add(module.path);
    for (const { specifier } of module.imports()) {
      visit(byPath.get(join(dirname(module.path), specifier)));
    }
  };
  starts.forEach(visit);
  return reached;
}

function locateLines(path: string, pattern: RegExp): string[] {
  return readText(path)
    .split("\n")
    .flatMap((line, index) =>
      pattern.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 120)}`] : [],
    );
}
