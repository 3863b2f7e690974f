import { sql } from "kysely";

import { insertTriggeredChanges, type TriggerDialect } from "../migrations/change-triggers.ts";

/** A variable that tells the triggers that a session writes to the change feed itself. */
export const SESSION_MARK = "@stowage_session";

/** The number of the error that there is no such table. */
const NO_SUCH_TABLE = 1146;

/**
 * They run with the rights of who installs them, so other programs need no right to the feed. Without
 * the feed they do nothing: no write may fail because of what Stowage has left behind.
 *
 * Two nodes of a Galera cluster must not make them at the same time: MariaDB locks a trigger's name
 * before it waits for its turn in the cluster, and the cluster stands still.
 */
export const MYSQL_TRIGGERS: TriggerDialect = {
  seesTruncation: false,
  list: sql`
    select trigger_name as name from information_schema.triggers
    where trigger_schema = database() and trigger_name like 'stowage\\_%'
  `,
  create: (trigger) => [
    `DROP TRIGGER IF EXISTS ${trigger.name}`,
    `CREATE TRIGGER ${trigger.name} AFTER ${trigger.event} ON ${trigger.table} FOR EACH ROW
     BEGIN
       DECLARE CONTINUE HANDLER FOR ${NO_SUCH_TABLE} BEGIN END;
       IF ${SESSION_MARK} IS NULL THEN
         ${insertTriggeredChanges(trigger, "UTC_TIMESTAMP(6)")};
       END IF;
     END`,
  ],
  drop: ({ name }) => `DROP TRIGGER IF EXISTS ${name}`,
};
