import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";

import { startHere, type LocalStowage } from "../support/stowage.ts";
import { GaleraCluster } from "./cluster.ts";

/** A cluster, and replicas of one service, each on a node of its own: new ones for each test. */
interface ClusterReplicas {
  readonly cluster: GaleraCluster;
  /** The database that they serve. */
  readonly database: string;
  readonly replicas: readonly LocalStowage[];
}

/** Has them there while the tests of a suite run. The first thing that the replicas do is to make the schema, all at once. */
export function useClusterReplicas(): ClusterReplicas {
  let cluster: GaleraCluster | undefined;
  const used = { database: "", replicas: [] as readonly LocalStowage[] };

  beforeAll(async () => {
    cluster = await GaleraCluster.start();
  });
  afterAll(() => cluster?.stop());
  beforeEach(async () => {
    used.database = await cluster!.createDatabase();
    used.replicas = await Promise.all(
      cluster!.nodes.map((node) =>
        startHere({ placementDatabase: { connection: node.connection(used.database) } }),
      ),
    );
  });
  afterEach(async () => {
    await Promise.all(used.replicas.map((each) => each.stop()));
  });

  return {
    get cluster() {
      return cluster!;
    },
    get database() {
      return used.database;
    },
    get replicas() {
      return used.replicas;
    },
  };
}
