import type {
  ConstraintOutcome,
  Explanation,
  Failure,
  NamedProvider,
  Relaxation,
  UnknownName,
} from "../domain/explanation.ts";
import type { ToldConstraint } from "../domain/told-constraints.ts";
import type { Explained } from "../operations/explaining.ts";
import { Lazily } from "./json-pieces.ts";
import { formatMicroversion, type Microversion } from "./microversions.ts";

/** Traits that others set for reasons of their own, which are told with them. */
const NOTES: Readonly<Record<string, string>> = {
  COMPUTE_STATUS_DISABLED: "set by nova-compute on a disabled service",
};

/** So many of the constraints that fail are named in the summary. */
const MAX_NAMED = 3;

export function renderExplained(explained: Explained, microversion: Microversion): unknown {
  const version = formatMicroversion(microversion);
  if ("unknownNames" in explained) {
    const { unknownNames: names } = explained;
    return {
      verdict: "unknown_name",
      summary: names.map(describeUnknown).join(" "),
      names,
      microversion: version,
    };
  }
  const { explanation } = explained;
  const { verdict, hosts, constraints, relaxations, nearest, providers, isExact } = explanation;
  return {
    verdict,
    summary: summarize(explanation),
    hosts: { total: hosts.total, fit: hosts.fit, fit_if_empty: hosts.fitIfEmpty },
    constraints: constraints.map(renderConstraint),
    relaxations: relaxations.map(renderRelaxation),
    nearest: Lazily.list(nearest, ({ root, failures }) => ({
      root: renderProvider(root),
      failures: Lazily.list(failures, renderFailure),
    })),
    ...(providers.length > 0 && {
      providers: Lazily.list(providers, ({ provider, failures }) => ({
        provider: renderProvider(provider),
        failures: Lazily.list(failures, renderFailure),
      })),
    }),
    is_exact: isExact,
    microversion: version,
  };
}

/** What is told of it where something else was asked for. */
export function renderShortly(explained: Explained) {
  if ("unknownNames" in explained) {
    const { unknownNames: names } = explained;
    return { verdict: "unknown_name", summary: names.map(describeUnknown).join(" "), names };
  }
  const { verdict, hosts, relaxations } = explained.explanation;
  return {
    verdict,
    summary: summarize(explained.explanation),
    hosts: { total: hosts.total, fit: hosts.fit, fit_if_empty: hosts.fitIfEmpty },
    relaxations: relaxations.map(renderRelaxation),
  };
}

function renderConstraint(outcome: ConstraintOutcome): unknown {
  const { constraint, eliminated, left, failed, only, causes, largest } = outcome;
  return {
    id: constraint.id,
    kind: constraint.kind,
    group: constraint.suffix,
    ...factsOf(constraint),
    eliminated,
    left,
    failed,
    only,
    ...(causes && {
      causes: {
        no_inventory: causes.noInventory,
        units: causes.units,
        too_small: causes.tooSmall,
        occupied: causes.occupied,
      },
    }),
    ...(largest && { largest: { now: largest.now, if_empty: largest.ifEmpty } }),
  };
}

function factsOf(constraint: ToldConstraint): Readonly<Record<string, unknown>> {
  switch (constraint.kind) {
    case "in_tree":
      return { provider: constraint.provider };
    case "member_of":
      return { aggregates: constraint.aggregates };
    case "forbidden_aggregate":
      return { aggregate: constraint.aggregate };
    case "required_trait":
      return constraint.traits.length === 1
        ? { trait: constraint.traits[0] }
        : { traits: constraint.traits };
    case "forbidden_trait":
    case "root_required_trait":
    case "root_forbidden_trait": {
      const note = NOTES[constraint.trait];
      return { trait: constraint.trait, ...(note !== undefined && { note }) };
    }
    case "resource":
      return { resource_class: constraint.resourceClass, requested: constraint.amount };
    case "same_subtree":
      return { groups: constraint.suffixes };
    case "together": {
      const { constraints, suffixes } = constraint;
      return { constraints: constraints.length, ...(suffixes.length > 1 && { groups: suffixes }) };
    }
    default:
      return {};
  }
}

function renderRelaxation({ drop, lower, hosts }: Relaxation): unknown {
  return {
    drop: drop.map(({ id }) => id),
    ...(lower && { lower: { [lower.constraint.id]: lower.amount } }),
    hosts,
  };
}

function renderFailure({ constraint, failing, has, inventory }: Failure): unknown {
  return {
    constraint: constraint.id,
    ...(failing && { failing }),
    ...(has && { has }),
    ...(inventory && {
      provider: renderProvider(inventory.provider),
      requested: inventory.requested,
      free: inventory.free,
      short: inventory.short,
      capacity: inventory.capacity,
      used: inventory.used,
      reserved: inventory.reserved,
      min_unit: inventory.minUnit,
      max_unit: inventory.maxUnit,
      step_size: inventory.stepSize,
    }),
  };
}

function renderProvider({ uuid, name }: NamedProvider): unknown {
  return { uuid, name };
}

export function describeUnknown({ kind, name, similar }: UnknownName): string {
  const what = kind === "trait" ? "trait" : "resource class";
  const hint = similar.length === 0 ? "" : ` Did you mean ${similar.join(" or ")}?`;
  return `There is no ${what} ${name}.${hint}`;
}

function describeIfEmpty(hosts: number | undefined): string {
  if (hosts === undefined) return "";
  return hosts > 0
    ? `; ${hosts} would if nothing were claimed`
    : ", nor would any if nothing were claimed";
}

function summarize({ hosts, verdict, constraints, relaxations }: Explanation): string {
  const { total, fit, fitIfEmpty } = hosts;
  if (total === 0) return "There are no hosts.";
  if (verdict === "fits") return `${fit} of ${total} hosts ${fit === 1 ? "fits" : "fit"}.`;
  const sentences = [
    `None of ${total} ${total === 1 ? "host" : "hosts"} fits${describeIfEmpty(fitIfEmpty)}.`,
  ];
  const failing = constraints
    .filter(({ failed }) => failed > 0)
    .toSorted((a, b) => b.failed - a.failed)
    .slice(0, MAX_NAMED)
    .map(({ failed, constraint }) => `${failed} fail ${constraint.id}`);
  if (failing.length > 0) sentences.push(`${failing.join(", ")}.`);
  const [best] = relaxations;
  if (best !== undefined) {
    const dropped = best.drop.map(({ id }) => id).join(" and ");
    sentences.push(`Without ${dropped}, ${best.hosts} would do.`);
  }
  return sentences.join(" ");
}
