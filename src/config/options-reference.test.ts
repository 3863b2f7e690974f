import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { optionsReference } from "./options-reference.ts";
import { ALL_OPTIONS } from "./options.ts";

test("the reference page is what `node scripts/write-options-reference.ts` writes", () => {
  const page = new URL("../../docs/reference/options.md", import.meta.url);
  expect(readFileSync(page, "utf8")).toBe(optionsReference());
});

test("the reference page has a row for every option", () => {
  const page = optionsReference();
  for (const { name } of ALL_OPTIONS) expect(page).toContain(`\n| \`${name}\` |`);
});
