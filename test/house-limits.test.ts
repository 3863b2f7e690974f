import { dirname, join } from "node:path";
import { parseSync, type ESTree } from "vite";
import { describe, expect, test } from "vitest";

import { listFiles, listModules, readText, SourceModule, type SyntaxNode } from "./source-files.ts";

// Limits that keep the sources legible. What is beyond one today stands in its list, and has to leave the
// list with the change that brings it within: nothing gets worse, and no list outlives its reason.

const MAX_LINES_OF_FILE = 400;
const MAX_LINES_OF_FUNCTION = 50;

const LONG_FILES: readonly string[] = [
  "src/auth/policy/enforcer.test.ts",
  "src/config/config.test.ts",
  "src/config/options.ts",
  "src/config/upstream.test.ts",
  "src/db/database.ts",
  "src/index/provider-index.ts",
  "test/db/transactions.test.ts",
  "test/faults/database.test.ts",
  "test/faults/private-servers.ts",
  "test/keystone/authenticator.test.ts",
  "test/keystone/keystone.test.ts",
];

/** As `path: name`. */
const LONG_FUNCTIONS: readonly string[] = ["src/cli/program.ts: describeProgram"];

/** As `path: name`. */
const UNUSED_EXPORTS: readonly string[] = [
  "src/api/stowage/described-route.ts: DescribedRoute",
  "src/observability/logger.ts: LogOptions",
  "src/search/failed-shapes.ts: NoteMemory",
  "src/search/search-plan.ts: ContestedClass",
];

const modules = listModules();
const programs = listFiles().filter((path) => path.endsWith(".ts"));

describe("the limits of the house", () => {
  test("no file is longer than a reader keeps in mind", () => {
    const long = programs.filter((path) => linesOf(readText(path)) > MAX_LINES_OF_FILE);
    expectExceptions(long, LONG_FILES, "give a part of it a file of its own");
  });

  test("no function is longer than a screen", () => {
    const long = modules.flatMap((module) =>
      module.nodes
        .filter(({ node }) => isFunction(node) && linesIn(module, node) > MAX_LINES_OF_FUNCTION)
        .map((found) => `${module.path}: ${nameOf(module, found)}`),
    );
    expectExceptions(long, LONG_FUNCTIONS, "name its parts");
  });

  test("nothing is exported that nobody imports", () => {
    const imported = new Set(programs.map(namesOf).flatMap(importedNames));
    const unused = modules.flatMap(({ path }) =>
      exportedNames(namesOf(path))
        .filter((name) => !imported.has(`${path}: ${name}`) && !imported.has(`${path}: *`))
        .map((name) => `${path}: ${name}`),
    );
    expectExceptions(unused, UNUSED_EXPORTS, "do not export it, or delete it");
  });

  test("no file imports itself by way of others, not even a type", () => {
    expect(circles(), "move what both need into a file below both").toEqual([]);
  });
});

test("The limits find what they are there for", () => {
  const module = new SourceModule("test/house-limits.test.ts");
  expect(module.nodes.filter(({ node }) => isFunction(node)).length).toBeGreaterThan(20);
  expect(importedNames(namesOf(module.path))).toContain("test/source-files.ts: SourceModule");
  expect(importedNames(namesOf("src/cli/program.ts"))).toContain("src/cli/serve/serve.ts: serve");
  expect(exportedNames(namesOf("test/source-files.ts"))).toContain("SourceModule");
  expect(
    circlesOf(
      new Map([
        ["a", ["b"]],
        ["b", ["c"]],
        ["c", ["b"]],
        ["d", ["d"]],
      ]),
    ),
  ).toEqual([["b", "c"], ["d"]]);
});

/** All that is beyond a limit is listed, and all that is listed is beyond it. */
function expectExceptions(
  found: readonly string[],
  listed: readonly string[],
  wayOut: string,
): void {
  const known = new Set(listed);
  expect(
    found.filter((name) => !known.has(name)),
    wayOut,
  ).toEqual([]);
  const present = new Set(found);
  expect(
    listed.filter((name) => !present.has(name)),
    "within the limit by now: take it from the list",
  ).toEqual([]);
}

function linesOf(text: string): number {
  return text.trimEnd().split("\n").length;
}

function linesIn(module: SourceModule, { start, end }: ESTree.Node): number {
  return linesOf(module.text.slice(start, end));
}

function isFunction(node: ESTree.Node): boolean {
  return /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);
}

/** What a function is called, or the one that it stands in. */
function nameOf(module: SourceModule, { node, parent }: SyntaxNode): string {
  if (node.type === "FunctionDeclaration") return node.id?.name ?? "default";
  const key = parent && "key" in parent ? parent.key : undefined;
  const name = key ?? (parent?.type === "VariableDeclarator" ? parent.id : undefined);
  return name ? module.text.slice(name.start, name.end) : "a function in place";
}

/** The names of a module that others can import. */
function exportedNames({ record }: ModuleNames): string[] {
  return record.staticExports
    .flatMap(({ entries }) => entries)
    .map(({ exportName }) => exportName.name ?? exportName.kind);
}

/** As `path: name`, with `*` where it cannot be told which. */
function importedNames({ path, text, record }: ModuleNames): string[] {
  const named = (specifier: string, name = "*") => `${join(dirname(path), specifier)}: ${name}`;
  return [
    ...record.staticImports.flatMap(({ moduleRequest, entries }) =>
      entries.map(({ importName: { name, kind } }) =>
        named(moduleRequest.value, name ?? (kind === "Default" ? kind : undefined)),
      ),
    ),
    ...record.staticExports
      .flatMap(({ entries }) => entries)
      .flatMap(({ moduleRequest, importName }) =>
        moduleRequest ? [named(moduleRequest.value, importName.name ?? undefined)] : [],
      ),
    ...Array.from(text.matchAll(IMPORTED_LATER), ([, names, specifier = ""]) =>
      names === undefined
        ? [named(specifier)]
        : names.split(",").map((name) => named(specifier, name.trim())),
    ).flat(),
  ];
}

/** Such as `const { name } = await import("./its-file.ts")`. */
const IMPORTED_LATER = /(?:\{([^{}]*)\} = await )?\bimport\("([^"]+)"\)/g;

interface ModuleNames {
  readonly path: string;
  readonly text: string;
  readonly record: ReturnType<typeof parseSync>["module"];
}

/** Without the syntax tree, which nobody asks for. */
function namesOf(path: string): ModuleNames {
  const text = readText(path);
  return { path, text, record: parseSync(path, text).module };
}

function circles(): string[][] {
  return circlesOf(
    new Map(
      modules.map((module) => [
        module.path,
        module
          .imports()
          .filter(({ specifier }) => specifier.startsWith("."))
          .map(({ specifier }) => join(dirname(module.path), specifier)),
      ]),
    ),
  );
}

/** The groups of which each leads to each other, each in order (Tarjan's strongly connected components). */
function circlesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const indexOf = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (name: string): number => {
    const index = indexOf.size;
    let low = index;
    indexOf.set(name, index);
    stack.push(name);
    const next = graph.get(name) ?? [];
    for (const other of next) {
      if (!indexOf.has(other)) low = Math.min(low, visit(other));
      else if (stack.includes(other)) low = Math.min(low, indexOf.get(other) ?? low);
    }
    if (low === index) {
      const group = stack.splice(stack.indexOf(name));
      if (group.length > 1 || next.includes(name)) found.push(group.toSorted());
    }
    return low;
  };
  for (const name of graph.keys()) if (!indexOf.has(name)) visit(name);
  return found.toSorted(([left = ""], [right = ""]) => left.localeCompare(right));
}
