import type { Config } from "../../config/config.ts";
import { internalContext } from "../../db/change.ts";
import type { Database } from "../../db/database.ts";
import { checkIsReadable } from "../../db/migrations/migrate.ts";
import { printable } from "../../observability/logger.ts";
import { checkConsistency, type Finding } from "../../operations/consistency.ts";
import type { Terminal } from "../terminal.ts";
import { withDatabase } from "../with-database.ts";

/** Something is not as it should be. */
const FOUND = 3;

/**
 * `db check`: tells what in the tables is not as it should be, what it means, and what mends it. Reads only,
 * and needs none of our own tables.
 *
 * @returns 0 when everything is in order, 3 when it is not
 */
export async function checkDatabase(
  config: Config,
  { json }: { readonly json: boolean },
  terminal: Terminal,
): Promise<number> {
  const findings = await withDatabase(config, terminal, findAll, { isReadOnly: true });
  terminal.output.write(json ? `${JSON.stringify({ findings })}\n` : describe(findings));
  return findings.length > 0 ? FOUND : 0;
}

async function findAll(database: Database): Promise<Finding[]> {
  await checkIsReadable(database);
  return database.reader(internalContext("check"), checkConsistency);
}

function describe(findings: readonly Finding[]): string {
  if (findings.length === 0) return "Everything is in order.\n";
  return findings.map(describeFinding).join("\n");
}

function describeFinding({ kind, count, examples, meaning, remedy }: Finding): string {
  const others = count - examples.length;
  const lines = [
    `${kind}: ${count}`,
    `  ${meaning}`,
    ...examples.map((example) => `  - ${example}`),
    ...(others > 0 ? [`  - and ${others} more`] : []),
    `  To mend it: ${remedy}`,
  ];
  // Rows hold what anybody has written.
  return lines.map((line) => `${printable(line)}\n`).join("");
}
