import {
  findOddRows,
  listInventoryPages,
  type InventoryRow,
  type OddRows,
} from "../db/consistency.ts";
import type { ReadTransaction } from "../db/transaction.ts";
import { capacityOf } from "../domain/inventory.ts";
import { findOddTreesOfTables } from "./odd-trees.ts";

/** Something in the tables that is not as it should be. */
export interface Finding extends OddRows {
  readonly kind: string;
  /** What it does to those who use the service. */
  readonly meaning: string;
  readonly remedy: string;
}

/** So many of a kind are told. */
const MOST_EXAMPLES = 10;

type Advice = Pick<Finding, "meaning" | "remedy">;

const BY_HAND = "Make a backup, let nothing write, and run: ";

/** What each kind means and what mends it. Most were seen in databases that Placement had made. */
const ROW_KINDS = {
  allocations_without_consumer: {
    meaning:
      "Consumers that hold allocations and have no record of their own: they claimed below microversion 1.8, " +
      "and belong to no project.",
    remedy: 'Run "stowage db online_data_migrations", which gives them one.',
  },
  consumers_without_allocations: {
    meaning:
      "Records of consumers that hold nothing, as claims leave behind that fail half-way in Placement. One that " +
      "says it is new is refused with 409.",
    remedy:
      "PUT /allocations/{consumer} with no allocations and its generation, microversion 1.28, removes the record.",
  },
  consumers_without_owner: {
    meaning: "Consumers whose project or user is not there: nobody sees what they hold.",
    remedy: `Find out whose they are, and claim anew. To let go of one: ${BY_HAND}DELETE FROM consumers WHERE uuid = '…'.`,
  },
  consumers_of_unknown_type: {
    meaning: "Consumers of a type that is not there: they count as having none.",
    remedy: "PUT /allocations/{consumer} with what it holds and its type, microversion 1.38.",
  },
  allocations_without_provider: {
    meaning:
      "Allocations on a provider that is not there: they take nothing from anybody, and no request shows them.",
    remedy: `${BY_HAND}DELETE FROM allocations WHERE resource_provider_id = …`,
  },
  allocations_without_inventory: {
    meaning:
      "Allocations of a class of which the provider has no inventory: they count in no usage.",
    remedy:
      "Give the provider the inventory again, or DELETE /allocations/{consumer} if that is gone.",
  },
  duplicate_allocations: {
    meaning:
      "Several rows for what one consumer holds of one class of one provider: all of them are in use.",
    remedy: "PUT /allocations/{consumer} with what it is to hold, which leaves one.",
  },
  rows_without_provider: {
    meaning: "What a provider has, of a provider that is not there: no request shows it.",
    remedy:
      `${BY_HAND}DELETE FROM inventories (or resource_provider_traits, resource_provider_aggregates) ` +
      "WHERE resource_provider_id = …",
  },
  unknown_names: {
    meaning:
      "Rows of a resource class, trait or aggregate that is not there: no request shows them.",
    remedy: `Give it its row again under its id, or, if it is not needed: ${BY_HAND}DELETE FROM … for that id.`,
  },
  incomplete_providers: {
    meaning: "Providers without a name or a generation, which no request makes.",
    remedy: "PUT /resource_providers/{uuid} with a name.",
  },
  names_alike: {
    meaning:
      "Names that differ in case alone: MySQL takes them for the same, so the rows cannot be moved there.",
    remedy: "Rename all but one of each.",
  },
  uuids_alike: {
    meaning: "One UUID in several spellings: to Placement, each is somebody else.",
    remedy: `Keep one. ${BY_HAND}UPDATE … for the others, or DELETE what is not needed.`,
  },
} as const satisfies Readonly<Record<string, Advice>>;

const INVENTORY_KINDS = {
  over_committed: {
    meaning:
      "Inventories of which more is in use than there is, as after a ratio was lowered: nothing more is claimed there.",
    remedy: "Move consumers away, or raise total or allocation_ratio again.",
  },
  impossible_inventories: {
    meaning:
      "Inventories with amounts that no request may have: candidates and claims cannot be told from them.",
    remedy: "PUT /resource_providers/{uuid}/inventories/{class} with amounts that are possible.",
  },
} as const satisfies Readonly<Record<string, Advice>>;

const TREE_KINDS = {
  looped_providers: {
    meaning:
      "Providers that are their own ancestors: they belong to no tree that candidates can be found in.",
    remedy:
      "Give one of each loop another parent, or null: PUT /resource_providers/{uuid}, microversion 1.37.",
  },
  misplaced_providers: {
    meaning: "Providers in another tree than their parent, or in none of their own.",
    remedy:
      'Run "stowage db online_data_migrations" where they have no root; else PUT /resource_providers/{uuid} with ' +
      "their parent, or null, anew, microversion 1.37.",
  },
} as const satisfies Readonly<Record<string, Advice>>;

/** All that is not as it should be, of one moment; reads every row of every table, and writes none. */
export async function checkConsistency(tx: ReadTransaction): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const [kind, advice] of Object.entries(ROW_KINDS)) {
    const rows = await findOddRows(tx, kind as keyof typeof ROW_KINDS);
    if (rows) found.push({ kind, ...rows, ...advice });
  }
  const inventories = await findOddInventories(tx);
  for (const [kind, advice] of Object.entries(INVENTORY_KINDS)) {
    const rows = inventories[kind as keyof typeof INVENTORY_KINDS];
    if (rows.count > 0) found.push({ kind, ...rows, ...advice });
  }
  const { looped, misplaced } = await findOddTreesOfTables(tx);
  const trees = { looped_providers: looped, misplaced_providers: misplaced };
  for (const [kind, advice] of Object.entries(TREE_KINDS)) {
    const uuids = trees[kind as keyof typeof TREE_KINDS];
    const examples = uuids.slice(0, MOST_EXAMPLES).map((uuid) => `provider ${uuid}`);
    if (uuids.length > 0) found.push({ kind, count: uuids.length, examples, ...advice });
  }
  return found;
}

async function findOddInventories(tx: ReadTransaction) {
  const kinds = {
    over_committed: { count: 0, examples: [] as string[] },
    impossible_inventories: { count: 0, examples: [] as string[] },
  };
  for await (const page of listInventoryPages(tx)) {
    for (const inventory of page) {
      const kind = kindOf(inventory);
      if (!kind) continue;
      kinds[kind].count += 1;
      if (kinds[kind].examples.length < MOST_EXAMPLES)
        kinds[kind].examples.push(describe(inventory));
    }
  }
  return kinds;
}

function kindOf(inventory: InventoryRow): keyof typeof INVENTORY_KINDS | undefined {
  const { total, reserved, minUnit, maxUnit, stepSize, allocationRatio, used } = inventory;
  const isPossible =
    Math.min(total, minUnit, maxUnit, stepSize) >= 1 && reserved >= 0 && allocationRatio > 0;
  if (!isPossible) return "impossible_inventories";
  return used > Math.max(capacityOf(inventory), 0) ? "over_committed" : undefined;
}

function describe({ providerUuid, resourceClass, used, ...inventory }: InventoryRow): string {
  const { total, reserved, allocationRatio } = inventory;
  return (
    `provider ${providerUuid}, class ${resourceClass}, used ${used}, capacity ${capacityOf(inventory)} ` +
    `(total ${total}, reserved ${reserved}, allocation_ratio ${allocationRatio})`
  );
}
