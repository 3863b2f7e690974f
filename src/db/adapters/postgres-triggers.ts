import { sql } from "kysely";

import { insertTriggeredChanges, type TriggerDialect } from "../migrations/change-triggers.ts";

/** A setting that tells the triggers that a session writes to the change feed itself. */
export const SESSION_MARK = "stowage.session";

/**
 * They run with the rights of who installs them, so other programs need no right to the feed. Without
 * the feed they do nothing: no write may fail because of what Stowage has left behind.
 *
 * They wait until the transaction commits, so that a change gets its id when it is about to be seen,
 * as those of Stowage do.
 */
export const POSTGRES_TRIGGERS: TriggerDialect = {
  seesTruncation: true,
  list: sql`
    select t.tgname as name from pg_trigger as t
    join pg_class as c on c.oid = t.tgrelid
    join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = any (current_schemas(false)) and t.tgname like 'stowage\\_%'
  `,
  create: (trigger) => [
    drop(trigger.name),
    `CREATE FUNCTION ${trigger.name}() RETURNS trigger
     LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
     BEGIN
       IF to_regclass('stowage_changes') IS NOT NULL THEN
         ${insertTriggeredChanges(trigger, "clock_timestamp() AT TIME ZONE 'UTC'")};
       END IF;
       RETURN NULL;
     END $$`,
    `${
      // One for a whole statement cannot wait.
      trigger.event === "truncate"
        ? `CREATE TRIGGER ${trigger.name} AFTER TRUNCATE ON ${trigger.table} FOR EACH STATEMENT`
        : `CREATE CONSTRAINT TRIGGER ${trigger.name} AFTER ${trigger.event} ON ${trigger.table}
           DEFERRABLE INITIALLY DEFERRED FOR EACH ROW`
    }
     WHEN (current_setting('${SESSION_MARK}', true) IS DISTINCT FROM 'on')
     EXECUTE FUNCTION ${trigger.name}()`,
  ],
  drop: ({ name }) => drop(name),
};

/** With the function goes the trigger. */
function drop(functionName: string): string {
  return `DROP FUNCTION IF EXISTS ${functionName}() CASCADE`;
}
