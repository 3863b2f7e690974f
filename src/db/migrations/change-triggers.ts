import type { RawBuilder } from "kysely";

import { TRIGGERED } from "../../domain/history.ts";
import type { ChangeKind } from "../change.ts";

/**
 * Makes the writes of other programs known to read models: writes a row of `stowage_changes` for each
 * row of a table that a session which is not one of Stowage's inserts, updates or deletes.
 */
interface ChangeTrigger {
  readonly name: string;
  readonly table: string;
  readonly event: TriggerEvent;
  /** One for each row to write. */
  readonly changes: readonly TriggeredChange[];
}

/** `truncate` empties a table without telling of its rows. */
type TriggerEvent = RowEvent | "truncate";
type RowEvent = "insert" | "update" | "delete";

/** What is written of a change, as expressions over `OLD` and `NEW`. */
interface TriggeredChange {
  readonly kind: ChangeKind;
  readonly providerId: string;
  readonly subject: string;
}

/** In what the engines' triggers differ. */
export interface TriggerDialect {
  /** Whether there are triggers for `truncate`. */
  readonly seesTruncation: boolean;
  /** Lists the triggers of the database whose names begin as those of Stowage, under `name`. */
  readonly list: RawBuilder<{ readonly name: string }>;
  /** The statements that make a trigger, in place of one of the same name. */
  create(trigger: ChangeTrigger): readonly string[];
  /** The statement that removes a trigger. */
  drop(trigger: ChangeTrigger): string;
}

/**
 * The statement that writes down what a trigger has seen. It looks nothing up, so it waits for no lock
 * that another program could hold, and so only `resource_providers` itself knows the UUID.
 *
 * @param now the time as the engine calls it
 */
export function insertTriggeredChanges({ changes }: ChangeTrigger, now: string): string {
  const rows = changes.map(
    ({ kind, providerId, subject }) =>
      `(${now}, '${kind}', ${providerId}, ${subject}, '${TRIGGERED}')`,
  );
  return (
    "INSERT INTO stowage_changes (created_at, kind, resource_provider_id, subject, request_id) " +
    `VALUES ${rows.join(", ")}`
  );
}

const EVENTS = ["insert", "update", "delete"] as const;

/** Those that an engine can have. */
export function changeTriggers({ seesTruncation }: TriggerDialect): readonly ChangeTrigger[] {
  if (!seesTruncation) return ROW_TRIGGERS;
  const tables = new Set(ROW_TRIGGERS.map(({ table }) => table));
  return [...ROW_TRIGGERS, ...[...tables].map(truncationTrigger)];
}

function truncationTrigger(table: string): ChangeTrigger {
  return {
    name: `stowage_${table}_truncate`,
    table,
    event: "truncate",
    changes: [{ kind: "everything", providerId: "NULL", subject: `'${table}'` }],
  };
}

/** The tables of the read model. No foreign key of theirs cascades, which MySQL would not tell of. */
const ROW_TRIGGERS: readonly ChangeTrigger[] = [
  ...partsOfProviders("allocations"),
  ...partsOfProviders("inventories"),
  ...partsOfProviders("resource_provider_aggregates"),
  ...partsOfProviders("resource_provider_traits"),
  ...triggersOn("resource_providers", (event, row) => [
    {
      kind: event === "delete" ? "provider_deleted" : "provider",
      providerId: `${row}.id`,
      subject: `${row}.uuid`,
    },
  ]),
  ...names("resource_classes", "resource_class"),
  ...names("traits", "trait"),
];

function partsOfProviders(table: string): ChangeTrigger[] {
  return triggersOn(table, (event, row) => {
    // A row may go from one provider to another.
    const rows = event === "update" ? ["OLD", "NEW"] : [row];
    return rows.map((either) => ({
      kind: "provider",
      providerId: `${either}.resource_provider_id`,
      subject: "''",
    }));
  });
}

function names(table: string, kind: "resource_class" | "trait"): ChangeTrigger[] {
  return triggersOn(table, (event, row) => [
    {
      kind: event === "delete" ? `${kind}_deleted` : kind,
      providerId: "NULL",
      subject: `${row}.name`,
    },
  ]);
}

function triggersOn(
  table: string,
  changesOf: (event: RowEvent, row: "OLD" | "NEW") => TriggeredChange[],
): ChangeTrigger[] {
  return EVENTS.map((event) => ({
    name: `stowage_${table}_${event}`,
    table,
    event,
    changes: changesOf(event, event === "delete" ? "OLD" : "NEW"),
  }));
}
