import { describe, expect, it } from "vitest";

import { formatBoxes, formatTable, wrapText } from "./text-table.ts";

describe("a table", () => {
  it("has centred cells, the odd space where PrettyTable has it", () => {
    const table = formatTable(
      ["Migration", "Total Found", "Completed"],
      [
        ["set_root_provider_ids", "3", "12"],
        ["create_incomplete_consumers", "1234", "1"],
      ],
    );
    expect(table).toBe(
      [
        "+-----------------------------+-------------+-----------+",
        "|          Migration          | Total Found | Completed |",
        "+-----------------------------+-------------+-----------+",
        "|    set_root_provider_ids    |      3      |     12    |",
        "| create_incomplete_consumers |     1234    |     1     |",
        "+-----------------------------+-------------+-----------+",
        "",
      ].join("\n"),
    );
  });
});

describe("boxes", () => {
  it("are as wide as the longest line", () => {
    expect(formatBoxes([["Title"], ["a", "long line"]])).toBe(
      [
        "+-----------+",
        "| Title     |",
        "+-----------+",
        "| a         |",
        "| long line |",
        "+-----------+",
        "",
      ].join("\n"),
    );
  });
});

describe("wrapped text", () => {
  it("is broken between words and after hyphens in words", () => {
    expect(wrapText("one two backwards-compatible three", 18, "  ")).toEqual([
      "one two backwards-",
      "  compatible three",
    ]);
  });

  it("breaks a word that is longer than a line", () => {
    expect(wrapText("a 0123456789 b", 8, "  ")).toEqual(["a 012345", "  6789 b"]);
  });

  it("leaves a short text as it is", () => {
    expect(wrapText("None", 60, "  ")).toEqual(["None"]);
  });
});
