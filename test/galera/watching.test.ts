import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";

import { storedHoldings } from "../support/told-changes.ts";
import { historyRows, replayHistory } from "../support/told-history.ts";
import { expectAllTold, makeHosts, writeToAll } from "../support/watched-replicas.ts";
import { useClusterReplicas } from "./replicas-of-cluster.ts";
import { isUsable } from "./usable.ts";

describe.runIf(isUsable)("what three replicas write through the nodes of a Galera cluster", () => {
  const galera = useClusterReplicas();
  beforeEach(() => makeHosts(galera.replicas[0]!));

  test("is told once to whoever goes on at another, and adds up for each consumer", () =>
    expectAllTold(galera.replicas));

  test("is in the history once, whichever of them makes it, and adds up to what is held", async () => {
    const over = new AbortController();
    const making = galera.replicas.map(async ({ service }) => {
      while (!over.signal.aborted) {
        await service.history.catchUp();
        await sleep(Math.random() * 50);
      }
    });
    await writeToAll(galera.replicas);
    over.abort();
    await Promise.all(making);
    const { service } = galera.replicas[2]!;
    await service.history.catchUp();
    const rows = await historyRows(service.database);
    expect(replayHistory(rows)).toEqual(await storedHoldings(service.database));
    expect(rows.length).toBeGreaterThan(100);
  });
});
