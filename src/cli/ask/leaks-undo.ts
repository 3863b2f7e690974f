import type { Readable } from "node:stream";

import type { Terminal } from "../terminal.ts";
import { confirm } from "./confirm.ts";
import { printLines } from "./print-lines.ts";
import { ServiceClient, type ServiceAddress } from "./service-client.ts";

/** Command-line options of `stowage leaks undo`. */
interface UndoCommand extends ServiceAddress {
  readonly reason: string;
  /** Not to ask before anything is claimed again. */
  readonly hasYes: boolean;
  readonly isJson: boolean;
}

/** Not all of it, or nothing. */
const LEFT = 3;
const TIMEOUT_MS = 600_000;

interface Report {
  readonly restored: number;
  readonly would_restore: number;
  readonly changed_since: readonly string[];
  readonly failed: readonly { readonly consumer: string; readonly detail: string }[];
  readonly is_more: boolean;
}

/**
 * Has consumers hold again what was released for a reason.
 *
 * @throws CannotAsk, which ends the command with 1
 * @returns 0 when all do, 3 when some do not, or nothing is known to be released for it
 */
export async function undoRelease(
  command: UndoCommand,
  terminal: Terminal & { readonly input: Readable },
): Promise<number> {
  const service = new ServiceClient(command);
  const ask = async (isDryRun: boolean) => {
    const text = await service.ask("POST", "/stowage/v1/restorations", {
      body: { reason: command.reason, dry_run: isDryRun },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const report = service.parse<Report>(text, ({ restored }) => typeof restored === "number");
    return { text, report };
  };
  const { text, report } = await ask(true);
  const { would_restore: count } = report;
  if (count === 0) {
    terminal.output.write(command.isJson ? `${text}\n` : describe(report));
    return LEFT;
  }
  const who = count === 1 ? "1 consumer" : `${count} consumers`;
  const question = `Have ${who} hold again what was released for ${JSON.stringify(command.reason)}?`;
  if (!command.hasYes && !(await confirm(terminal, question))) return LEFT;
  const done = await ask(false);
  terminal.output.write(command.isJson ? `${done.text}\n` : describe(done.report));
  const { restored, failed, changed_since: changed, is_more: isMore } = done.report;
  return restored > 0 && failed.length + changed.length === 0 && !isMore ? 0 : LEFT;
}

function describe({ restored, changed_since: changed, failed, is_more: isMore }: Report): string {
  const who =
    restored === 1 ? "1 consumer holds" : `${restored === 0 ? "No" : restored} consumers hold`;
  return printLines([
    `${who} again what was released.`,
    ...changed.map((uuid) => `  ${uuid} has changed since, and was left alone`),
    ...failed.map(({ consumer, detail }) => `  ${consumer}: ${detail}`),
    ...(isMore
      ? ["Others were released for this reason before: only the last 10,000 are undone."]
      : []),
  ]);
}
