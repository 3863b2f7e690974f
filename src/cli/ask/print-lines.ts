import { printable } from "../../observability/logger.ts";

/** As a terminal takes them: names are what anybody has called something. */
export function printLines(lines: readonly string[]): string {
  return lines.map((line) => `${printable(line)}\n`).join("");
}
