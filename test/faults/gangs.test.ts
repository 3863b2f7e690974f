import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { claimsOf } from "../stowage/claim-requests.ts";
import { Client } from "../support/client.ts";
import { ENGINES } from "../support/engines.ts";
import { makeProvider, providerUuid } from "../support/fleet.ts";
import { makeFolder, startProcess, writeConfig } from "../support/stowage.ts";
import { isBrokenConnection } from "./writes.ts";

/** How often the service is killed. */
const ROUNDS = Number(process.env["STOWAGE_FAULT_ROUNDS"] ?? 3);

const PATIENCE = { timeout: 120_000, interval: 2 };
const CLIENTS = 12;
const SIZE = 5;
const HOSTS = [1, 2, 3, 4].map(providerUuid);

describe.for([...ENGINES, ...SERVER_ENGINES])("gangs on $name", (engine) => {
  test(`hold places for all of their members or for none, through ${ROUNDS} kills`, async () => {
    const folder = await makeFolder();
    const database = await engine.borrowDatabase();
    await writeConfig(folder.path, {
      DEFAULT: { log_file: join(folder.path, "stowage.log") },
      api: { auth_strategy: "noauth2" },
      placement_database: { connection: database.connection },
      stowage: { host: "127.0.0.1" },
    });
    const granted = new Set<string>();
    const unknown = new Set<string>();
    const heard = { answers: 0 };
    let gangs = 0;
    let running = await startProcess(folder.path);
    let client = new Client(running.url);

    /** Claims gangs that compete for the same hosts, and releases some of them, until it hears nothing more. */
    const act = async (number: number) => {
      for (;;) {
        const gang = `gang-${number}-${(gangs += 1)}`;
        try {
          const reply = await claimsOf({ client })({
            gang,
            members: [{ name: "worker", count: SIZE, query: "resources=VCPU:1" }],
            rules: [{ max_per_host: 2 }],
          });
          heard.answers += 1;
          expect([201, 409], reply.text).toContain(reply.status);
          if (reply.status === 201) granted.add(gang);
          const [oldest] = granted;
          if (granted.size < 6 || oldest === undefined) continue;
          granted.delete(oldest);
          unknown.add(oldest);
          const released = await client.delete(`/stowage/v1/claims/${oldest}`);
          expect(released.status, released.text).toBe(204);
          unknown.delete(oldest);
        } catch (error) {
          if (!isBrokenConnection(error)) throw error;
          if (!granted.has(gang)) unknown.add(gang);
          return;
        }
      }
    };

    const countMembers = async (gang: string) => {
      const reply = await client.expectSuccess("GET", `/stowage/v1/consumers?gang=${gang}`);
      return reply.json<{ consumers: unknown[] }>().consumers.length;
    };

    try {
      for (const host of HOSTS) await makeProvider(client, host, { VCPU: 10 });
      for (let round = 1; round <= ROUNDS; round += 1) {
        const enough = heard.answers + 20 + Math.random() * 60;
        const clients = Array.from({ length: CLIENTS }, (_, number) => act(number));
        await vi.waitFor(() => expect(heard.answers).toBeGreaterThan(enough), PATIENCE);
        await running.kill();
        await Promise.all(clients);
        client.close();
        running = await startProcess(folder.path);
        client = new Client(running.url);
        let members = 0;
        for (const gang of granted) {
          const count = await countMembers(gang);
          expect(count, gang).toBe(SIZE);
          members += count;
        }
        for (const gang of unknown) {
          const count = await countMembers(gang);
          expect([0, SIZE], gang).toContain(count);
          members += count;
          if (count > 0) granted.add(gang);
        }
        unknown.clear();
        let used = 0;
        for (const host of HOSTS) {
          const reply = await client.expectSuccess("GET", `/resource_providers/${host}/usages`);
          used += reply.json<{ usages: { VCPU: number } }>().usages.VCPU;
        }
        expect(used).toBe(members);
      }
    } finally {
      client.close();
      await running.kill();
      await database.remove();
      await folder.remove();
    }
  });
});
