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

/**
 * A series on a session to which everything is sent before the first answer comes.
 *
 * @param results one for each time that a statement was run, up to the first failure
 */
export function outcomeOf(
  statements: readonly Statement[],
  { results: answers, failure }: SeriesOutcome,
): SeriesOutcome {
  const results: SessionResult[] = [];
  let start = 0;
  for (const statement of statements) {
    const end = start + statement.parameterSets.length;
    if (failure && answers.length < end) return { results, failure };
    const own = answers.slice(start, end);
    if (!affectsWhatItMust(statement, own)) return { results, failure: NOT_THE_ROWS };
    results.push(lastOf(own));
    start = end;
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
