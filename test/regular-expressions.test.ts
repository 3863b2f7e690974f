import { analyse } from "scslre";
import { expect, test } from "vitest";

import * as patterns from "../src/api/patterns.ts";
import { listModules, type SyntaxNode } from "./source-files.ts";

/**
 * Input comes from anybody: an expression that goes over it again and again lets one client hold up
 * all others. `scslre` finds the characters whose repetition makes an expression take more than linear
 * time.
 */
const modules = listModules();
const literals = modules.flatMap((module) =>
  module.nodes.flatMap(({ node }) =>
    node.type === "Literal" && "regex" in node
      ? [{ place: module.locate(node), source: node.regex.pattern, flags: node.regex.flags }]
      : [],
  ),
);

test("Every regular expression takes time in proportion to its input", () => {
  const schemaPatterns = Object.entries(patterns).map(([name, source]) => {
    return { place: `src/api/patterns.ts: ${name}`, source, flags: "u" };
  });
  const all = [...literals, ...schemaPatterns];
  expect(all.length).toBeGreaterThan(50);
  const slow = all.flatMap(({ place, source, flags }) =>
    attackCharacters(source, flags).map((character) => `${place}: ${character}`),
  );
  expect(slow, "anchor it, bound its quantifier, or do it without an expression").toEqual([]);
});

test("No regular expression that may begin anywhere repeats so often that going back over it is slow", () => {
  const long = literals.filter(({ source }) => /^[^^].*\{(\d{3,}|\d*,\d{3,})\}/.test(source));
  expect(
    long.map(({ place }) => place),
    "count in a loop",
  ).toEqual([]);
});

/** Put together from what is written in the program: nothing that was sent is part of them. */
const ASSEMBLED = new Set(["src/api/queries/candidate-query.ts", "src/api/validation/explain.ts"]);

test("No regular expression is made of what was sent", () => {
  const assembled = modules
    .filter(({ path }) => !ASSEMBLED.has(path))
    .flatMap((module) => module.nodes.filter(makesRegExp).map(({ node }) => module.locate(node)));
  expect(assembled, "write it as a literal, so that it can be checked").toEqual([]);
});

test("The check finds what it is there for", () => {
  for (const source of [String.raw`\/+$`, String.raw`^a:[ \t]*(.*?)[ \t]*$`, "(a+)+b"]) {
    expect(attackCharacters(source, ""), source).not.toEqual([]);
  }
  expect(attackCharacters(String.raw`^\/+`, "")).toEqual([]);
});

function attackCharacters(source: string, flags: string): string[] {
  const { reports } = analyse({ source, flags });
  return [...new Set(reports.map(({ character }) => `repeat ${JSON.stringify(character.pick)}`))];
}

function makesRegExp({ node }: SyntaxNode): boolean {
  const makes = node.type === "NewExpression" || node.type === "CallExpression";
  return makes && node.callee.type === "Identifier" && node.callee.name === "RegExp";
}
