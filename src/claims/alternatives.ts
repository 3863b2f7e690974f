import type { Claim, ConsumerClaim, GrantedClaim } from "../domain/claim.ts";
import {
  AllocationForUnknownProvider,
  InvalidInventory,
  PlacementError,
  ResourceClassNotFound,
} from "../domain/errors.ts";
import type { ClaimPlan } from "./claim-plan.ts";
import type { PlannedChanges } from "./planned.ts";

/** A claim that was judged: what it changes, or why it is refused. */
type Judged =
  | { readonly changes: PlannedChanges; readonly granted: GrantedClaim | undefined }
  | { readonly refusal: PlacementError };

/**
 * Tries the choices of a claim in their order, each on what the claims before leave. One that is refused has
 * changed nothing of the plan, so that the next costs no more than the first.
 *
 * @returns the refusal of the last choice that was tried
 */
export function* judgeChoices(plan: ClaimPlan, claim: Claim): Generator<void, Judged> {
  let refusal: PlacementError | undefined;
  for (const [choice, consumers] of choicesOf(claim).entries()) {
    try {
      const changes = yield* plan.add({ ...claim, consumers });
      const granted = claim.alternatives && describe(choice, changes);
      return { changes, granted };
    } catch (error) {
      if (!(error instanceof PlacementError)) throw error;
      refusal = error;
      if (!isOfChoice(error)) break;
    }
  }
  if (!refusal) throw new Error("a claim has at least one choice");
  return { refusal };
}

function choicesOf({ consumers, alternatives = [] }: Claim): readonly (readonly ConsumerClaim[])[] {
  return [consumers, ...alternatives];
}

/** Whether another choice may do: what is wrong with a consumer is wrong with all of them. */
function isOfChoice(error: PlacementError): boolean {
  return (
    error instanceof InvalidInventory ||
    error instanceof AllocationForUnknownProvider ||
    error instanceof ResourceClassNotFound
  );
}

function describe(choice: number, { providers, consumers }: PlannedChanges): GrantedClaim {
  return {
    choice,
    consumers: new Map(consumers.map(({ now }) => [now.uuid, now.generation])),
    providers: new Map(
      Array.from(providers, ({ record, steps }) => [record.uuid, record.generation + steps]),
    ),
  };
}
