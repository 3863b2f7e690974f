import type { Terminal } from "../terminal.ts";
import { describeExplanation, type ToldExplanation } from "./describe-explanation.ts";
import { printLines } from "./print-lines.ts";
import { withSource, type SourceOptions } from "./source.ts";

/** Command-line options of `stowage explain`. */
interface ExplainCommand extends SourceOptions {
  readonly query: string;
  readonly host?: string;
  readonly nearest?: number;
  readonly json?: true;
}

/** Nothing fits. */
const NOTHING = 3;

/**
 * Asks why a query for allocation candidates finds what it finds.
 *
 * @throws CannotAsk, which ends the command with 1
 * @returns 0 when something fits, 3 when nothing does
 */
export async function explain(command: ExplainCommand, terminal: Terminal): Promise<number> {
  const { query, host, nearest } = command;
  return withSource(command, terminal, async (client) => {
    const text = await client.ask("POST", "/stowage/v1/explain", {
      body: { query: query.replace(/^.*\?/, ""), host, nearest },
    });
    const answer = client.parse<ToldExplanation>(
      text,
      ({ verdict, summary }) => typeof verdict === "string" && typeof summary === "string",
    );
    terminal.output.write(
      command.json === true ? `${text}\n` : printLines(describeExplanation(answer)),
    );
    return answer.verdict === "fits" ? 0 : NOTHING;
  });
}
