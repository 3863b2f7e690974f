import type { Command } from "commander";

import type { Surroundings } from "../terminal.ts";
import { wholeNumber } from "../whole-number.ts";
import type { ServiceAddress } from "./service-client.ts";

/** Makes the action of a command, whose exit code becomes that of the program. */
type Run = (execute: (command: Command) => Promise<number>) => (this: Command) => Promise<void>;

/** Adds the commands that are questions to a running service. */
export function addAskCommands(program: Command, run: Run, surroundings: Surroundings): void {
  addExplain(program, run, surroundings);
}

function addExplain(program: Command, run: Run, surroundings: Surroundings): void {
  askCommand(program, "explain")
    .description("ask a service why a query for allocation candidates finds nothing")
    .argument("<query>", "as that of GET /allocation_candidates")
    .option("--host <provider>", "explain the tree of this provider alone, by UUID or name")
    .option("--nearest <number>", "tell about so many of the nearest hosts", nearestCount)
    .action(
      run(async (command) => {
        const { explain } = await import("./explain.ts");
        const options = command.opts<ExplainOptions>();
        const [query = ""] = command.args;
        return explain({ ...options, query, ...addressOf(command, surroundings) }, surroundings);
      }),
    );
}

interface ExplainOptions {
  readonly host?: string;
  readonly nearest?: number;
  readonly json?: true;
}

/** A command with the options of all that ask a service; {@link addressOf} reads the first. */
function askCommand(program: Command, name: string): Command {
  return program
    .command(name)
    .option("--url <url>", "of the service; OS_PLACEMENT_ENDPOINT_OVERRIDE by default")
    .option("--json", "print the answer as it came");
}

function addressOf(command: Command, { environment }: Surroundings): ServiceAddress {
  const { url } = command.opts<{ readonly url?: string }>();
  return {
    url: url ?? environment["OS_PLACEMENT_ENDPOINT_OVERRIDE"],
    token: environment["OS_TOKEN"],
  };
}

function nearestCount(text: string): number {
  return wholeNumber(text, 0, 100);
}
