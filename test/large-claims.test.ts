import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "./db/server-engines.ts";
import type { Reply } from "./support/client.ts";
import { ENGINES, type TestDatabase } from "./support/engines.ts";
import { loopWork } from "./support/event-loop.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "./support/fleet.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

const CONSUMERS = 12_000;
const HOSTS = 40;

/**
 * Of the work that such a request is, so much may be done in one round of the event loop. It is one part in fifty
 * on an idle machine; done in one piece, to plan or to write was one in five.
 */
const LARGEST_SHARE = 1 / 8;

describe.for([...ENGINES, ...SERVER_ENGINES])("claims of many consumers on $name", (engine) => {
  let database: TestDatabase;
  let stowage: LocalStowage;

  beforeAll(async () => {
    database = await engine.createDatabase();
    stowage = await startHere({ placementDatabase: { connection: database.connection } });
    for (let host = 1; host <= HOSTS; host += 1) {
      await makeProvider(stowage.client, providerUuid(host), { VCPU: CONSUMERS });
    }
    // What is compiled when it is first needed is not part of what is measured.
    const none = { [consumerUuid(0)]: { ...claimBody({}), consumer_generation: null } };
    await stowage.client.expectSuccess("POST", "/allocations", { body: none });
  });

  afterAll(async () => {
    await stowage.stop();
    await database.remove();
  });

  /** @returns the reply, and which part of the work was done in the longest round of the event loop */
  async function postAll(path: string, body: unknown) {
    const bytes = Buffer.from(JSON.stringify(body));
    let reply: Reply | undefined;
    const { longestMs, totalMs } = await loopWork(async () => {
      reply = await stowage.client.post(path, bytes);
    });
    return { status: reply?.status, text: reply?.text, share: longestMs / totalMs };
  }

  async function usedOf(host: number): Promise<number | undefined> {
    const reply = await stowage.client.get(`/resource_providers/${providerUuid(host)}/usages`);
    return reply.json<{ usages: { VCPU: number } }>().usages.VCPU;
  }

  async function generationOf(host: number): Promise<number> {
    const reply = await stowage.client.get(`/resource_providers/${providerUuid(host)}`);
    return reply.json<{ generation: number }>().generation;
  }

  function claims(hostOf: (consumer: number) => number | undefined, generation: number | null) {
    return Object.fromEntries(
      Array.from({ length: CONSUMERS }, (_, at) => {
        const host = hostOf(at);
        const allocations = host === undefined ? {} : { [providerUuid(host)]: { VCPU: 1 } };
        return [consumerUuid(at), claimBody(allocations, { generation })];
      }),
    );
  }

  test("are made, moved by a reshape and taken away, with others served in between", async () => {
    const made = await postAll(
      "/allocations",
      claims((at) => 1 + (at % HOSTS), null),
    );
    expect(made).toMatchObject({ status: 204, text: "" });
    expect(made.share).toBeLessThan(LARGEST_SHARE);
    await expect(usedOf(1)).resolves.toBe(CONSUMERS / HOSTS);

    const inventories = Object.fromEntries(
      await Promise.all(
        Array.from({ length: HOSTS }, async (_, at) => [
          providerUuid(at + 1),
          {
            resource_provider_generation: await generationOf(at + 1),
            inventories: at === 0 ? {} : { VCPU: { total: 2 * CONSUMERS } },
          },
        ]),
      ),
    ) as unknown;
    const moved = { inventories, allocations: claims((at) => 2 + (at % 10), 1) };
    const reshaped = await postAll("/reshaper", moved);
    expect(reshaped).toMatchObject({ status: 204, text: "" });
    expect(reshaped.share).toBeLessThan(LARGEST_SHARE);
    await expect(Promise.all([1, 2, 12].map(usedOf))).resolves.toEqual([
      undefined,
      CONSUMERS / 10,
      0,
    ]);

    const tooLate = await postAll("/allocations", { ...claims(() => 2, 2), ...claims(() => 3, 1) });
    expect(tooLate.status).toBe(409);
    await expect(Promise.all([2, 3].map(usedOf))).resolves.toEqual([
      CONSUMERS / 10,
      CONSUMERS / 10,
    ]);

    const removed = await postAll(
      "/allocations",
      claims(() => undefined, 2),
    );
    expect(removed).toMatchObject({ status: 204, text: "" });
    expect(removed.share).toBeLessThan(LARGEST_SHARE);
    await expect(Promise.all([2, 3, 11].map(usedOf))).resolves.toEqual([0, 0, 0]);
  });

  test("are all refused when the last one does not fit", async () => {
    const body = claims((at) => 2 + (at % 10), null);
    body[consumerUuid(CONSUMERS - 1)] = claimBody({ [providerUuid(2)]: { VCPU: 2 * CONSUMERS } });
    const reply = await postAll("/allocations", body);
    expect(reply.status).toBe(409);
    expect(reply.text).toContain(providerUuid(2));
    expect(reply.share).toBeLessThan(LARGEST_SHARE);
    await expect(Promise.all([2, 3].map(usedOf))).resolves.toEqual([0, 0]);
  });
});
