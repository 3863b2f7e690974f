import { dirname, join } from "node:path";
import type { ESTree } from "vite";
import { describe, expect, test } from "vitest";

import { listModules, type SourceModule } from "./source-files.ts";

/**
 * What each folder of `src` may import, besides itself: one direction, downwards. A folder within a folder
 * has a line of its own where it may import something else than the rest. A single file is named by its
 * path. A change here is a change of the architecture; ARCHITECTURE.md has the drawing.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["cli"],
  cli: [
    "http",
    "api",
    "api/all-routes.ts",
    "api/stowage",
    "auth",
    "operations",
    "index",
    "db",
    "domain",
  ],
  http: ["api", "auth", "operations", "domain"],
  "api/all-routes.ts": ["api", "api/placement", "api/stowage"],
  "api/placement": ["api", "auth", "operations", "domain"],
  "api/stowage": ["api", "auth", "operations", "domain"],
  api: ["auth", "operations", "domain"],
  auth: ["domain"],
  operations: ["claims", "read-model", "search", "index", "db", "domain"],
  claims: ["read-model", "index", "db", "domain"],
  "read-model": ["index", "db", "domain"],
  search: ["index", "domain"],
  index: ["domain"],
  db: ["domain"],
  domain: [],
  config: [],
  observability: [],
  scheduling: [],
  standard: [],
};

/** Open to every folder, as long as they import nothing from above themselves. */
const FOR_ALL = new Set(["config", "observability", "scheduling", "standard"]);

/** Folders that compute and nothing else: the same input gives the same output, anywhere. */
const PURE = new Set(["domain", "search", "index"]);

/** Modules of Node that neither do I/O nor read a clock. */
const PURE_MODULES = new Set(["node:assert", "node:util", "node:buffer"]);

/** Reading the clock, chance, the environment, or doing I/O without an import. */
const IMPURE =
  /^(Date\.now|new Date\(\)|performance\.|process\.|console\.|Math\.random|crypto\.|fetch\(|setTimeout\(|setInterval\(|setImmediate\()/;

const modules = listModules();

describe("the layers", () => {
  test("every folder of src has its place in the table", () => {
    const layers = new Set(modules.map(layerOf));
    expect(Array.from(layers).filter((layer) => !(layer in MAY_IMPORT))).toEqual([]);
  });

  test("imports point downwards", () => {
    const wrong = modules.flatMap((module) =>
      importsOf(module, (specifier) => !mayImport(module, specifier)),
    );
    expect(wrong, "move the code down, or hand in what is needed as an argument").toEqual([]);
  });

  test("every import names what it imports", () => {
    const wrong = modules.flatMap((module) =>
      module.nodes
        .filter(({ node }) => node.type === "ImportExpression" && node.source.type !== "Literal")
        .map(({ node }) => module.locate(node)),
    );
    expect(wrong, "an import that is worked out is one that no test can follow").toEqual([]);
  });

  test("domain, search and index do no I/O and read no clock", () => {
    const wrong = modulesIn(PURE).flatMap((module) =>
      module.nodes
        .filter(({ node }) => isImpure(module, node))
        .map(({ node }) => module.locate(node)),
    );
    const imports = modulesIn(PURE).flatMap((module) => importsOf(module, isImpureImport));
    expect([...new Set(wrong), ...imports], "hand in the value as an argument").toEqual([]);
  });

  test("db and index know nothing of HTTP", () => {
    const wrong = modulesIn(new Set(["db", "index"])).flatMap((module) =>
      importsOf(module, (specifier) => /^node:https?2?$/.test(specifier)),
    );
    expect(wrong, "HTTP belongs in src/http and src/api").toEqual([]);
  });
});

function modulesIn(layers: ReadonlySet<string>): SourceModule[] {
  return modules.filter((module) => layers.has(layerOf(module)));
}

/** The innermost folder of the table that a path is in, or the file's own name for `src/main.ts`. */
function layerOf({ path }: Pick<SourceModule, "path">): string {
  const [, outer = "", inner = ""] = path.split("/");
  const nested = `${outer}/${inner}`;
  return nested in MAY_IMPORT ? nested : outer;
}

function mayImport(module: SourceModule, specifier: string): boolean {
  if (!specifier.startsWith(".")) return true;
  const path = join(dirname(module.path), specifier);
  const [from, to] = [layerOf(module), layerOf({ path })];
  const allowed = MAY_IMPORT[from] ?? [];
  return from === to || FOR_ALL.has(to) || allowed.includes(to);
}

function isImpureImport(specifier: string): boolean {
  return specifier.startsWith("node:") && !PURE_MODULES.has(specifier);
}

function isImpure(module: SourceModule, node: ESTree.Node): boolean {
  return (
    /^(MemberExpression|CallExpression|NewExpression)$/.test(node.type) &&
    IMPURE.test(module.text.slice(node.start))
  );
}

/** The lines of a module that import what is asked for. */
function importsOf(module: SourceModule, isWanted: (specifier: string) => boolean): string[] {
  return module
    .imports()
    .filter(({ specifier }) => isWanted(specifier))
    .map(({ node }) => module.locate(node));
}
