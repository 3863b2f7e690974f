import type { GangRule, GangShortfall } from "../domain/gang.ts";
import { shuffled } from "../domain/shuffled.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "./budget.ts";
import { FleetPart } from "./fleet-part.ts";
import { GangAttempt, type GangQuestion } from "./gang-attempt.ts";
import type { PlacedMember } from "./gang-hosts.ts";

export type GangOutcome =
  | { readonly kind: "placed"; readonly placed: readonly PlacedMember[] }
  | { readonly kind: "refused"; readonly shortfall: GangShortfall };

/** How often it is tried anew, in another order, where that may help. */
const RESTARTS = 8;

/**
 * Looks for places for all members of a gang at once, within its rules: for each choice of the aggregates that
 * members are to be within, one member after the other on the host that is preferred, on what those before it
 * leave (greedy). Where all members ask for the same, on hosts of one provider each, that is exact; else a
 * refusal says that none was found. Pauses each time the budget is used up.
 *
 * @param time the time of an open view
 * @throws ResourceClassNotFound, TraitNotFound for names that do not exist
 */
export function* placeGang(
  index: IndexReader,
  time: number,
  question: GangQuestion,
  budget: Budget,
): Generator<void, GangOutcome> {
  const part = new FleetPart(index, time);
  yield* part.prepare(budget);
  const comparesAll = question.prefer === "pack" || question.prefer === "spread";
  let best: { readonly score: number; readonly placed: readonly PlacedMember[] } | undefined;
  let closest: GangShortfall | undefined;
  let isProven = true;
  for (const within of choicesOf(question)) {
    let isExact = false;
    for (let restart = 0; restart < RESTARTS && !isExact; restart += 1) {
      const attempt = new GangAttempt(part, question, within, restart);
      const placed = yield* attempt.run(budget);
      if (placed) {
        const { score } = attempt;
        if (!comparesAll) return { kind: "placed", placed };
        if (!best || score > best.score) best = { score, placed };
        break;
      }
      ({ isExact } = attempt);
      const shortfall = attempt.shortfall();
      if (!closest || placedIn(shortfall) > placedIn(closest)) closest = shortfall;
    }
    isProven &&= isExact;
  }
  if (best) return { kind: "placed", placed: best.placed };
  return { kind: "refused", shortfall: { ...closest!, isExact: isProven } };
}

/** Per rule that has members within one of some aggregates, each of these in turn. */
function* choicesOf({
  rules,
  prefer,
  random,
}: GangQuestion): Generator<ReadonlyMap<GangRule, string>> {
  const within = rules.filter((rule) => rule.kind === "within one");
  const aggregates = within.map((rule) => {
    if (prefer !== "random") return rule.aggregates;
    return shuffled(rule.aggregates, random);
  });
  const count = aggregates.reduce((product, { length }) => product * length, 1);
  for (let choice = 0; choice < count; choice += 1) {
    let rest = choice;
    yield new Map(
      within.map((rule, number) => {
        const { length } = aggregates[number]!;
        const uuid = aggregates[number]![rest % length]!;
        rest = Math.floor(rest / length);
        return [rule, uuid];
      }),
    );
  }
}

function placedIn({ members }: GangShortfall): number {
  return members.reduce((sum, { placed }) => sum + placed, 0);
}
