/**
 * A table as `placement-manage` prints it, with a line around the head and one below the rows, and
 * the cells centred. Where a cell cannot be in the middle, one of odd length is left of it and one
 * of even length right of it, as Python's PrettyTable has it.
 */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+`;
  const line = (cells: readonly string[]) =>
    `|${cells.map((cell, column) => ` ${centre(cell, widths[column] ?? 0)} `).join("|")}|`;
  return `${[rule, line(head), rule, ...rows.map(line), rule].join("\n")}\n`;
}

/** A column of boxes with one or more lines of text, as `placement-status` prints its checks. */
export function formatBoxes(boxes: readonly (readonly string[])[]): string {
  const width = Math.max(...boxes.flat().map((line) => line.length));
  const rule = `+${"-".repeat(width + 2)}+`;
  const lines = boxes.flatMap((box) => [...box.map((text) => `| ${text.padEnd(width)} |`), rule]);
  return `${[rule, ...lines].join("\n")}\n`;
}

/**
 * Breaks a text into lines of at most `width` characters, between words or after a hyphen in one,
 * as Python's `textwrap.wrap` does; the lines after the first are indented. A word that is longer
 * than a line is broken anywhere.
 */
export function wrapText(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const piece of text.split(/(?<=\s)|(?<=[a-z]{2}-)(?=[a-z]-?[a-z])/i)) {
    let rest = piece;
    while ((line + rest).trimEnd().length > width) {
      if (rest.trimEnd().length > width - indent.length) {
        const fitting = width - line.length;
        line += rest.slice(0, fitting);
        rest = rest.slice(fitting);
      }
      lines.push(line.trimEnd());
      line = indent;
    }
    line += rest;
  }
  return [...lines, line.trimEnd()];
}

function centre(text: string, width: number): string {
  const missing = width - text.length;
  const left = text.length % 2 === 1 ? Math.floor(missing / 2) : Math.ceil(missing / 2);
  return (" ".repeat(left) + text).padEnd(width);
}
