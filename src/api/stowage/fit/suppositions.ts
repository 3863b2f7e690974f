import type { Supposition } from "../../../domain/fit.ts";
import type { InventoryAmounts } from "../../../domain/inventory.ts";
import { badRequest } from "../../http-error.ts";
import { parseTraits } from "../../queries/query-filters.ts";
import { at } from "./places.ts";
import type { SuppositionBody } from "./schemas.ts";

const KINDS = ["without", "empty", "add", "set", "drain"] as const;

/** @throws HttpError 400 with the place that is wrong */
export function readSuppositions(bodies: readonly SuppositionBody[]): Supposition[] {
  return bodies.map((body, number) => at(placeOf(number), () => readSupposition(body)));
}

/** What a supposition is called in an error: as a path in the body. */
export function placeOf(number: number): string {
  return `suppose[${number}]`;
}

function readSupposition(body: SuppositionBody): Supposition {
  const [kind, ...others] = KINDS.filter((name) => body[name] !== undefined);
  if (kind === undefined || others.length > 0) {
    throw badRequest(`One of ${KINDS.join(", ")} is wanted in each.`);
  }
  const { without, empty, add, set, drain, required } = body;
  if (required !== undefined && drain === undefined) {
    throw badRequest("'required' goes with 'drain' only.");
  }
  if (without !== undefined) return { kind: "without", provider: without };
  if (empty !== undefined) return { kind: "empty", provider: empty };
  if (add !== undefined) return { kind: "add", provider: add.like, count: add.count };
  if (set !== undefined) return readSet(set);
  return readDrain(drain!, required);
}

function readSet(set: NonNullable<SuppositionBody["set"]>): Supposition {
  const amounts: Readonly<Record<keyof InventoryAmounts, number | undefined>> = {
    total: set.total,
    reserved: set.reserved,
    minUnit: set.min_unit,
    maxUnit: set.max_unit,
    stepSize: set.step_size,
    allocationRatio: set.allocation_ratio,
  };
  return {
    kind: "set",
    provider: set.provider === "*" ? undefined : set.provider,
    resourceClass: set.resource_class,
    amounts: Object.fromEntries(
      Object.entries(amounts).filter(([, amount]) => amount !== undefined),
    ) as Partial<InventoryAmounts>,
  };
}

function readDrain(provider: string, required: string | undefined): Supposition {
  const { requiredTraits, forbiddenTraits } =
    required === undefined
      ? { requiredTraits: [], forbiddenTraits: new Set<string>() }
      : parseTraits(required, { allowsForbidden: true, allowsAny: true });
  return { kind: "drain", provider, requiredTraits, forbiddenTraits };
}
