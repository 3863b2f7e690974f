import { expect, test } from "vitest";

import { consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere } from "../support/stowage.ts";
import { isNovaInstalled, plantAsNova } from "./nova-report-client.ts";

interface Report {
  readonly dead: readonly { readonly uuid: string }[];
  readonly doubled: readonly { readonly uuid: string; readonly trees: readonly string[] }[];
  readonly freed: Readonly<Record<string, number>>;
}

const HOSTS = [providerUuid(1), providerUuid(2)] as const;
const CONSUMERS = {
  living: consumerUuid(1),
  deleted: consumerUuid(2),
  unbuilt: consumerUuid(3),
  evacuated: consumerUuid(4),
  moved: consumerUuid(5),
  moving: consumerUuid(6),
  aborted: consumerUuid(7),
  running: consumerUuid(8),
};

test.runIf(isNovaInstalled)(
  "What Nova leaves behind is found, and what it holds for those who live or move is not",
  async () => {
    const stowage = await startHere();
    const { client } = stowage;
    try {
      for (const host of HOSTS) await makeProvider(client, host, { VCPU: 64, MEMORY_MB: 4096 });
      await plantAsNova(client.url, HOSTS, CONSUMERS);
      const { living, evacuated, moved, moving, running } = CONSUMERS;
      const reply = await client.post("/stowage/v1/orphans", {
        alive: [living, evacuated, moved, moving, running],
        alive_as_of: new Date().toISOString(),
        scope: { min_age_seconds: 0 },
      });
      const { dead, doubled, freed } = reply.json<Report>();
      const { deleted, unbuilt, aborted } = CONSUMERS;
      expect(dead.map(({ uuid }) => uuid).toSorted()).toEqual([deleted, unbuilt, aborted]);
      expect(doubled).toMatchObject([{ uuid: evacuated, trees: HOSTS }]);
      expect(freed).toEqual({ VCPU: 6, MEMORY_MB: 192 });
    } finally {
      await stowage.stop();
    }
  },
);
