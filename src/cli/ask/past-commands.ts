import type { Command } from "commander";

import { wholeNumber } from "../whole-number.ts";
import {
  askCommand,
  positive,
  sourceOf,
  time,
  type AskSurroundings,
  type Run,
} from "./ask-command.ts";
import type { HistoryOptions } from "./history.ts";

/** Adds the commands about what happened, and what is left of it. */
export function addPastCommands(program: Command, run: Run, surroundings: AskSurroundings): void {
  addHistory(program, run, surroundings);
  addLeaks(program, run, surroundings);
}

function addHistory(program: Command, run: Run, surroundings: AskSurroundings): void {
  const history = program
    .command("history")
    .description("tell what happened to a consumer or a resource provider, and who asked for it");
  for (const [what, name] of [
    ["consumer", "<uuid>"],
    ["provider", "<provider>"],
  ] as const) {
    const command = askCommand(history, what)
      .description(`of one ${what}; the newest last`)
      .argument(name, what === "consumer" ? "its UUID" : "its UUID, or its name while it is there")
      .option("--since <time>", "not before this time, such as 2026-11-27T19:00:00Z", time)
      .option("--until <time>", "before this time", time)
      .option("--at <time>", "what was held at this time, in the place of what happened", time)
      .option("--limit <number>", "the newest of so many; 100 by default", positive);
    if (what === "provider") command.option("--resource-class <name>", "only about this class");
    command.action(
      run(async (asked) => {
        const { tellHistory } = await import("./history.ts");
        const [subject = ""] = asked.args;
        const { url, token } = sourceOf(asked, surroundings);
        const options = asked.opts<HistoryOptions>();
        return tellHistory({ ...options, what, subject, url, token }, surroundings);
      }),
    );
  }
}

function addLeaks(program: Command, run: Run, surroundings: AskSurroundings): void {
  const leaks = askCommand(program, "leaks")
    .description("tell which consumers hold something and belong to nobody")
    .option(
      "--alive <file>",
      "the UUIDs of all that lives, one a line; - for standard input; needed",
    )
    .option("--alive-as-of <time>", "when that list was begun, such as 2026-11-27T19:00:00Z", time)
    .option("--tree <uuid>", "only who holds something in the tree of this provider")
    .option("--min-age <seconds>", "who is younger is alive; an hour by default", seconds)
    .option("--class <name...>", "only who holds something of one of these classes")
    .option("--type <name...>", "only of these types; unknown for none")
    .option("--release", "let those that belong to nobody go of what they hold")
    .option("--reason <text>", "why, for those who read the change feed")
    .option("--yes", "do not ask before that")
    .action(
      run(async (command) => {
        const { findLeaks } = await import("./leaks.ts");
        const options = command.opts<LeaksOptions>();
        const { class: resourceClasses, type: types, alive, ...rest } = options;
        if (alive === undefined) return command.error("error: say who is alive: --alive <file>");
        const scope = { ...(resourceClasses && { resourceClasses }), ...(types && { types }) };
        const source = sourceOf(command, surroundings);
        return findLeaks(
          { ...rest, alive, ...scope, ...source },
          { ...surroundings, input: process.stdin },
        );
      }),
    );
  askCommand(leaks, "undo")
    .description("have them hold again what --release has taken from them, where there is room")
    .argument("<reason>", "for which it was released")
    .option("--yes", "do not ask before that")
    .action(
      run(async (command) => {
        const { undoRelease } = await import("./leaks-undo.ts");
        const [reason = ""] = command.args;
        const { yes, json } = command.optsWithGlobals<LeaksOptions>();
        const { url, token } = sourceOf(command, surroundings);
        const asked = { reason, url, token, hasYes: yes === true, isJson: json === true };
        return undoRelease(asked, { ...surroundings, input: process.stdin });
      }),
    );
}

interface LeaksOptions {
  readonly alive?: string;
  readonly aliveAsOf?: Date;
  readonly tree?: string;
  readonly minAge?: number;
  readonly class?: readonly string[];
  readonly type?: readonly string[];
  readonly release?: true;
  readonly reason?: string;
  readonly yes?: true;
  readonly json?: true;
}

function seconds(text: string): number {
  return wholeNumber(text, 0, 31_536_000);
}
