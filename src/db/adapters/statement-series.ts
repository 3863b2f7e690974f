import type { SeriesOutcome, Session, SessionResult, Statement } from "./session.ts";

/** A series on a session that has to wait for each answer. */
export async function runInTurn(
  session: Pick<Session, "run">,
  statements: readonly Statement[],
): Promise<SeriesOutcome> {
  const results: SessionResult[] = [];
  for (const statement of statements) {
    try {
      const answers: SessionResult[] = [];
      for (const parameters of statement.parameterSets) {
        answers.push(await session.run(statement.text, parameters));
      }
      if (!affectsWhatItMust(statement, answers)) return { results, failure: NOT_THE_ROWS };
      results.push(lastOf(answers));
    } catch (error) {
      return { results, failure: { error } };
    }
  }
  return { results };
}

/** A series on a session that answers at once. */
export function runAtOnce(
  session: { run(text: string, parameters: readonly unknown[]): SessionResult },
  statements: readonly Statement[],
): SeriesOutcome {
  const results: SessionResult[] = [];
  for (const statement of statements) {
    try {
      const answers = statement.parameterSets.map((parameters) =>
        session.run(statement.text, parameters),
      );
      if (!affectsWhatItMust(statement, answers)) return { results, failure: NOT_THE_ROWS };
      results.push(lastOf(answers));
    } catch (error) {
      return { results, failure: { error } };
    }
  }
  return { results };
}

/** A series on a session to which everything can be sent before the first answer comes. */
export async function runPipelined(
  session: { run(text: string, parameters: readonly unknown[]): Promise<SessionResult> },
  statements: readonly Statement[],
): Promise<SeriesOutcome> {
  const sent = statements.map(({ text, parameterSets }) =>
    Promise.allSettled(parameterSets.map((parameters) => session.run(text, parameters))),
  );
  const results: SessionResult[] = [];
  for (const [position, settled] of (await Promise.all(sent)).entries()) {
    const failed = settled.find((answer) => answer.status === "rejected");
    if (failed) return { results, failure: { error: failed.reason } };
    const answers = settled.flatMap((answer) =>
      answer.status === "fulfilled" ? [answer.value] : [],
    );
    const statement = statements[position];
    if (statement && !affectsWhatItMust(statement, answers)) {
      return { results, failure: NOT_THE_ROWS };
    }
    results.push(lastOf(answers));
  }
  return { results };
}

const NOT_THE_ROWS = { error: undefined };

function affectsWhatItMust({ mustAffect }: Statement, answers: readonly SessionResult[]): boolean {
  if (mustAffect === undefined) return true;
  return mustAffect === answers.reduce((sum, answer) => sum + Number(answer.affectedRows), 0);
}

function lastOf(answers: readonly SessionResult[]): SessionResult {
  return answers.at(-1) ?? { rows: [], affectedRows: 0, insertId: 0 };
}
