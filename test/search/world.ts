import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import type { CandidateQuery, RequestGroup } from "../../src/domain/candidate-query.ts";
import type { Fleet } from "./plain-search.ts";

/**
 * Many small fleets in one database, as a real Placement could have written them. None shares a
 * resource class or an aggregate with another, so that what is asked of one concerns it alone.
 */
export function writeFleets(file: string, fleets: readonly Fleet[]): void {
  const database = new DatabaseSync(file);
  database.exec("begin");
  const insert = (table: string, row: Readonly<Record<string, SQLInputValue>>) => {
    const columns = Object.keys(row);
    const places = columns.map(() => "?").join(", ");
    return Number(
      database
        .prepare(`insert into ${table} (${columns.join(", ")}) values (${places})`)
        .run(...Object.values(row)).lastInsertRowid,
    );
  };
  const traitIds = new Map<string, number>();
  const traitId = (name: string) => {
    const known = database.prepare("select id from traits where name = ?").get(name);
    const id = traitIds.get(name) ?? Number(known?.["id"] ?? insert("traits", { name }));
    traitIds.set(name, id);
    return id;
  };
  fleets.forEach((fleet, number) => {
    const classIds = new Map(
      Object.entries(fleet.resourceClasses).map(([name, id]) => [
        id,
        insert("resource_classes", { name: className(name, number) }),
      ]),
    );
    const traits = new Map(Object.entries(fleet.traits).map(([name, id]) => [id, name]));
    const aggregateIds = new Map<string, number>();
    const providerIds = new Map<number, number>();
    for (const provider of fleet.providers) {
      const parent = provider.parentId === null ? null : providerIds.get(provider.parentId)!;
      const uuid = uuidIn(provider.uuid, number);
      const id = insert("resource_providers", {
        uuid,
        name: uuid,
        generation: 0,
        parent_provider_id: parent,
        root_provider_id: providerIds.get(provider.rootId) ?? null,
      });
      providerIds.set(provider.id, id);
      if (parent === null) {
        database
          .prepare("update resource_providers set root_provider_id = id where id = ?")
          .run(id);
      }
      for (const inventory of provider.inventories) {
        const of = {
          resource_provider_id: id,
          resource_class_id: classIds.get(inventory.resourceClassId)!,
        };
        insert("inventories", {
          ...of,
          total: inventory.total,
          reserved: inventory.reserved,
          min_unit: inventory.minUnit,
          max_unit: inventory.maxUnit,
          step_size: inventory.stepSize,
          allocation_ratio: inventory.allocationRatio,
        });
        if (inventory.used === 0) continue;
        insert("allocations", { ...of, used: inventory.used, consumer_id: uuid });
      }
      for (const trait of provider.traitIds) {
        const name = traitName(traits.get(trait)!);
        insert("resource_provider_traits", {
          resource_provider_id: id,
          trait_id: traitId(name),
        });
      }
      for (const aggregate of provider.aggregates) {
        const known = aggregateIds.get(aggregate);
        const aggregateId =
          known ?? insert("placement_aggregates", { uuid: uuidIn(aggregate, number) });
        aggregateIds.set(aggregate, aggregateId);
        insert("resource_provider_aggregates", {
          resource_provider_id: id,
          aggregate_id: aggregateId,
        });
      }
    }
  });
  database.exec("commit");
  database.close();
}

/** A query of one of the fleets as a query string, with what a version does not know left out. */
export function queryString(query: CandidateQuery, fleet: number, minor: number): string {
  const parameters: [string, string][] = [];
  const suffixed = query.groups.filter(({ suffix }) => suffix !== "");
  const groups = minor < 25 ? query.groups.slice(0, 1) : query.groups;
  const suffixOf = ({ suffix }: Pick<RequestGroup, "suffix">) => {
    if (suffix === "" || minor < 25) return "";
    return minor < 33 ? String(1 + suffixed.findIndex((it) => it.suffix === suffix)) : suffix;
  };
  for (const group of groups) {
    const suffix = suffixOf(group);
    const add = (name: string, value: string) => parameters.push([`${name}${suffix}`, value]);
    if (group.resources.size > 0) {
      const amounts = [...group.resources].map(
        ([name, amount]) => `${className(name, fleet)}:${amount}`,
      );
      add("resources", amounts.join(","));
    }
    addTraits(group, minor, add);
    addAggregates(group, fleet, minor, add);
    if (group.inTree !== undefined && minor >= 31) add("in_tree", uuidIn(group.inTree, fleet));
  }
  if (minor >= 25) parameters.push(["group_policy", query.groupPolicy ?? "none"]);
  if (query.rootRequired && minor >= 35) {
    const required = [...query.rootRequired.required].map(traitName);
    const forbidden = [...query.rootRequired.forbidden].map((it) => `!${traitName(it)}`);
    const traits = [...required, ...forbidden];
    if (traits.length > 0) parameters.push(["root_required", traits.join(",")]);
  }
  if (minor >= 36) {
    for (const suffixes of query.sameSubtrees) {
      parameters.push(["same_subtree", [...suffixes].join(",")]);
    }
  }
  return new URLSearchParams(parameters).toString();
}

type Add = (name: string, value: string) => void;

function addTraits(group: RequestGroup, minor: number, add: Add): void {
  const forbidden = [...group.forbiddenTraits].map((it) => `!${traitName(it)}`);
  if (minor >= 39) {
    for (const anyOf of group.requiredTraits) {
      const names = [...anyOf].map(traitName).join(",");
      add("required", anyOf.size === 1 ? names : `in:${names}`);
    }
    if (forbidden.length > 0) add("required", forbidden.join(","));
  } else if (minor >= 17) {
    const required = group.requiredTraits.map((anyOf) => traitName([...anyOf][0]!));
    const traits = [...new Set(required), ...(minor >= 22 ? forbidden : [])];
    if (traits.length > 0) add("required", traits.join(","));
  }
}

function addAggregates(group: RequestGroup, fleet: number, minor: number, add: Add): void {
  if (minor < 21) return;
  const memberOf = minor < 24 ? group.memberOf.slice(0, 1) : group.memberOf;
  const listed = (uuids: ReadonlySet<string>) =>
    `in:${[...uuids].map((uuid) => uuidIn(uuid, fleet)).join(",")}`;
  for (const anyOf of memberOf) add("member_of", listed(anyOf));
  if (minor < 32 || group.forbiddenAggregates.size === 0) return;
  add("member_of", `!${listed(group.forbiddenAggregates)}`);
}

export function className(name: string, fleet: number): string {
  return `CUSTOM_${name.replace("CUSTOM_", "")}_${fleet}`;
}

function traitName(name: string): string {
  return name.startsWith("MISC_") ? name : `CUSTOM_${name}`;
}

export function uuidIn(uuid: string, fleet: number): string {
  return String(fleet + 1).padStart(8, "0") + uuid.slice(8);
}
