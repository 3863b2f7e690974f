import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { parseSync, type ESTree } from "vite";

/** What the tests that hold the house rules read: the project's own files, as text and as syntax. */
export const ROOT = join(import.meta.dirname, "..");

/** What tools make, in the root of the checkout. */
const NOT_OURS = new Set([".git", "node_modules", "dist", "coverage", "bench-results"]);

/** Paths of all files of the project, relative to its root and in order. */
export function listFiles(folder = ROOT): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      if (folder === ROOT && NOT_OURS.has(entry.name)) return [];
      const path = join(folder, entry.name);
      return entry.isDirectory() ? listFiles(path) : [relative(ROOT, path)];
    })
    .toSorted();
}

/** The modules that make up the program: everything in `src` that is no test. */
export function listModules(): readonly SourceModule[] {
  modules ??= listFiles(join(ROOT, "src"))
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .map((path) => new SourceModule(path));
  return modules;
}

/** Parsed once for all tests of a thread. */
let modules: readonly SourceModule[] | undefined;

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** A node of the syntax tree, and the one that it stands in. */
export interface SyntaxNode {
  readonly node: ESTree.Node;
  readonly parent: ESTree.Node | undefined;
}

export interface Import {
  readonly specifier: string;
  readonly node: ESTree.Node;
}

export class SourceModule {
  /** Relative to the root of the project. */
  readonly path: string;
  readonly text: string;
  /** Every node of the syntax tree, each before what it contains. */
  readonly nodes: readonly SyntaxNode[];

  constructor(path: string) {
    this.path = path;
    this.text = readText(path);
    this.nodes = nodesIn(parseSync(path, this.text).program);
  }

  /** What it imports or re-exports, types included, and files named by a URL, such as workers. */
  imports(): Import[] {
    return this.nodes.flatMap(({ node }) => {
      const specifier = specifierOf(node);
      return specifier === undefined ? [] : [{ specifier, node }];
    });
  }

  /** `path:line: the line`, as the reader of a failed test wants to see it. */
  locate({ start }: { readonly start: number }): string {
    const line = this.text.slice(0, start).split("\n").length;
    return `${this.path}:${line}: ${this.text.split("\n")[line - 1]?.trim()}`;
  }
}

function nodesIn(program: ESTree.Program): SyntaxNode[] {
  const nodes: SyntaxNode[] = [];
  const visit = (value: unknown, parent: ESTree.Node | undefined): void => {
    if (Array.isArray(value)) {
      for (const element of value) visit(element, parent);
    } else if (isNode(value)) {
      nodes.push({ node: value, parent });
      for (const child of Object.values(value)) visit(child, value);
    }
  };
  visit(program, undefined);
  return nodes;
}

function isNode(value: unknown): value is ESTree.Node {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

function specifierOf(node: ESTree.Node): string | undefined {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
    case "ImportExpression":
    case "TSImportType":
      return stringValue(node.source);
    case "NewExpression": {
      // new URL("./worker.ts", import.meta.url)
      const isUrl = node.callee.type === "Identifier" && node.callee.name === "URL";
      const path = isUrl ? stringValue(node.arguments[0]) : undefined;
      return path?.startsWith(".") ? path : undefined;
    }
    default:
      return undefined;
  }
}

function stringValue(node: ESTree.Node | null | undefined): string | undefined {
  return node?.type === "Literal" && typeof node.value === "string" ? node.value : undefined;
}
