import { internalContext } from "../../db/change.ts";
import { existsSync, readFileSync } from "node:fs";

import { findPolicyFiles } from "../../auth/policy/policy-files.ts";
import type { LoadedConfig } from "../../config/config.ts";
import type { Database } from "../../db/database.ts";
import { checkHasSchema } from "../../db/migrations/migrate.ts";
import { countIncompleteConsumers, hasMissingRootProviderIds } from "../../db/online-migrations.ts";
import { isForOperator } from "../../config/operator-error.ts";
import {
  describeOddTrees,
  findOddTreesOfTables,
  type OddTrees,
} from "../../operations/odd-trees.ts";
import { withDatabase } from "../with-database.ts";
import type { Terminal } from "../terminal.ts";
import { formatBoxes, wrapText } from "./text-table.ts";

interface UpgradeCheckOptions {
  /** Whether to print JSON instead of a table. */
  readonly json: boolean;
}

/**
 * `status upgrade check`: whether the deployment is ready for a newer release, with the checks,
 * texts and exit codes of `placement-status`.
 *
 * @returns the worst result of the checks: 0 success, 1 warning, 2 failure; 255 when they could not
 *   be made
 */
export async function checkUpgrade(
  { config, directories }: Pick<LoadedConfig, "config" | "directories">,
  { json }: UpgradeCheckOptions,
  terminal: Terminal,
): Promise<number> {
  const { output } = terminal;
  const { policyFile } = config.osloPolicy;
  try {
    const [found] = findPolicyFiles({ policyFile, policyDirs: [] }, directories).paths;
    const checks = [
      ...(await withDatabase(config, terminal, checksOfDatabase)),
      checkPolicyFile(found),
    ];
    output.write(json ? formatJson(checks) : formatTable(checks));
    return Math.max(...checks.map(({ result }) => result));
  } catch (error) {
    terminal.problems.write(`stowage: ${describeError(error)}\n`);
    return 255;
  }
}

const SUCCESS = 0;
const WARNING = 1;
const FAILURE = 2;
const RESULT_NAMES = ["Success", "Warning", "Failure"];
const TITLE = "Upgrade Check Results";

interface Check {
  readonly name: string;
  readonly result: number;
  readonly details?: string;
}

/** With the stack trace, unless it tells the operator what to do. */
function describeError(error: unknown): string {
  if (isForOperator(error)) return error.message;
  return error instanceof Error && error.stack !== undefined ? error.stack : String(error);
}

async function checksOfDatabase(database: Database): Promise<Check[]> {
  await checkHasSchema(database);
  const context = internalContext("upgrade_check");
  return database.reader(context, async (tx) => [
    checkRootProviderIds(await hasMissingRootProviderIds(tx)),
    checkIncompleteConsumers(await countIncompleteConsumers(tx)),
    checkProviderTrees(await findOddTreesOfTables(tx)),
  ]);
}

function checkRootProviderIds(isMissing: boolean): Check {
  const name = "Missing Root Provider IDs";
  if (!isMissing) return { name, result: SUCCESS };
  const details =
    "There is at least one resource provider table record which misses its root provider id. " +
    'Run the "placement-manage db online_data_migrations" command.';
  return { name, result: FAILURE, details };
}

function checkIncompleteConsumers(count: number): Check {
  const name = "Incomplete Consumers";
  if (count === 0) return { name, result: SUCCESS };
  const details =
    `There are ${count} incomplete consumers table records for existing allocations. ` +
    'Run the "placement-manage db online_data_migrations" command.';
  return { name, result: WARNING, details };
}

function checkProviderTrees(oddTrees: OddTrees): Check {
  const name = "Resource Provider Trees";
  const details = describeOddTrees(oddTrees).join(" ");
  return details === "" ? { name, result: SUCCESS } : { name, result: WARNING, details };
}

function checkPolicyFile(file: string | undefined): Check {
  const name = "Policy File JSON to YAML Migration";
  if (file === undefined || !existsSync(file) || !isJson(readFileSync(file, "utf8"))) {
    return { name, result: SUCCESS };
  }
  const details =
    "Your policy file is JSON-formatted which is deprecated. You need to switch to " +
    "YAML-formatted file. Use the ``oslopolicy-convert-json-to-yaml`` tool to convert the " +
    "existing JSON-formatted files to YAML in a backwards-compatible manner: " +
    "https://docs.openstack.org/oslo.policy/latest/cli/oslopolicy-convert-json-to-yaml.html.";
  return { name, result: FAILURE, details };
}

function isJson(text: string): boolean {
  try {
    // oxlint-disable-next-line no-restricted-properties -- nothing is made of it
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function formatTable(checks: readonly Check[]): string {
  return formatBoxes([
    [TITLE],
    ...checks.map(({ name, result, details }) => [
      `Check: ${name}`,
      `Result: ${RESULT_NAMES[result]}`,
      // The details are wrapped before the label is put in front of them.
      ...wrapText(details ?? "None", 60, "  ").map((line, i) =>
        i === 0 ? `Details: ${line}` : line,
      ),
    ]),
  ]);
}

function formatJson(checks: readonly Check[]): string {
  const results = checks.map(({ name, result, details }) => ({
    check: name,
    result,
    details: details ?? null,
  }));
  return `${JSON.stringify({ name: TITLE, checks: results })}\n`;
}
