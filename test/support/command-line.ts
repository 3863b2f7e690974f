import { Writable } from "node:stream";

import { report, runProgram } from "../../src/cli/program.ts";
import type { Terminal } from "../../src/cli/terminal.ts";

/** Exit code, standard output and standard error. */
export type CommandOutcome = [exitCode: number, output: string, errors: string];

/** Runs `stowage` with these arguments in this process, with this environment and no other. */
export function runCommandLine(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<CommandOutcome> {
  return atTerminal(async (terminal) => {
    try {
      return await runProgram(args, { ...terminal, environment });
    } catch (error) {
      return report(error, terminal);
    }
  });
}

/** Runs one command with a terminal of its own. */
export async function atTerminal(
  command: (terminal: Terminal) => Promise<number>,
): Promise<CommandOutcome> {
  const terminal = { output: new TextStream(), problems: new TextStream() };
  const exitCode = await command(terminal);
  return [exitCode, terminal.output.text, terminal.problems.text];
}

class TextStream extends Writable {
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
