import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { startHere, type LocalStowage } from "../support/stowage.ts";
import { storedHoldings } from "../support/told-changes.ts";
import { historyRows, replayHistory } from "../support/told-history.ts";
import { expectAllTold, makeHosts, writeToAll } from "../support/watched-replicas.ts";
import { GaleraCluster } from "./cluster.ts";
import { isUsable } from "./usable.ts";

describe.runIf(isUsable)("what three replicas write through the nodes of a Galera cluster", () => {
  let cluster: GaleraCluster;
  let replicas: readonly LocalStowage[] = [];

  beforeAll(async () => {
    cluster = await GaleraCluster.start();
  });
  afterAll(async () => {
    await cluster?.stop();
  });
  beforeEach(async () => {
    const database = await cluster.createDatabase();
    replicas = await Promise.all(
      cluster.nodes.map((node) =>
        startHere({ placementDatabase: { connection: node.connection(database) } }),
      ),
    );
    await makeHosts(replicas[0]!);
  });
  afterEach(async () => {
    await Promise.all(replicas.map((each) => each.stop()));
  });

  test("is told once to whoever goes on at another, and adds up for each consumer", () =>
    expectAllTold(replicas));

  test("is in the history once, whichever of them makes it, and adds up to what is held", async () => {
    const over = new AbortController();
    const making = replicas.map(async ({ service }) => {
      while (!over.signal.aborted) {
        await service.history.catchUp();
        await sleep(Math.random() * 50);
      }
    });
    await writeToAll(replicas);
    over.abort();
    await Promise.all(making);
    const { service } = replicas[2]!;
    await service.history.catchUp();
    const rows = await historyRows(service.database);
    expect(replayHistory(rows)).toEqual(await storedHoldings(service.database));
    expect(rows.length).toBeGreaterThan(100);
  });
});
