import { describe, expect, onTestFinished, test, vi } from "vitest";

import { SERIES } from "../src/observability/series.ts";
import { SERVER_ENGINES } from "./db/server-engines.ts";
import { DatabaseProxy } from "./support/database-proxy.ts";
import { ENGINES } from "./support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "./support/fleet.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";
import { listModules } from "./source-files.ts";

const PROVIDER = providerUuid(1);
const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };
const OTHER = providerUuid(2);

/** A line of what Prometheus scrapes: `stowage_claims_total{outcome="accepted"}`. */
async function valueOf({ metrics }: LocalStowage, sample: string): Promise<number | undefined> {
  const lines = (await metrics.text()).split("\n");
  const line = lines.find((one) => one.startsWith(`${sample} `));
  return line === undefined ? undefined : Number(line.slice(sample.length + 1));
}

function claim({ client }: LocalStowage, number: number, amount: number) {
  const body = claimBody({ [PROVIDER]: { VCPU: amount } });
  return client.put(`/allocations/${consumerUuid(number)}`, body);
}

test("every series that is declared is fed somewhere", () => {
  const named = new Set(
    listModules()
      .filter(({ path }) => /^src\/(?!observability\/series\.ts|.*\.test\.ts$)/.test(path))
      .flatMap(({ nodes }) =>
        nodes.flatMap(({ node }) => (node.type === "Literal" ? [node.value] : [])),
      ),
  );
  expect(Object.keys(SERIES).filter((name) => !named.has(name))).toEqual([]);
});

describe.for([...ENGINES, ...SERVER_ENGINES])("the metrics of a service on $name", (engine) => {
  async function start(): Promise<LocalStowage> {
    const database = await engine.borrowDatabase();
    const { connection } = database;
    const stowage = await startHere({ placementDatabase: { connection } });
    onTestFinished(async () => {
      await stowage.stop();
      await database.remove();
    });
    return stowage;
  }

  test("tell what became of claims, and how many went together", async () => {
    const stowage = await start();
    await makeProvider(stowage.client, PROVIDER, { VCPU: 8 });
    const replies = await Promise.all([1, 2, 3].map((number) => claim(stowage, number, 2)));
    expect(replies.map(({ status }) => status)).toEqual([204, 204, 204]);
    expect((await claim(stowage, 4, 4)).status).toBe(409);
    expect([
      await valueOf(stowage, 'stowage_claims_total{outcome="accepted"}'),
      await valueOf(stowage, 'stowage_claims_total{outcome="refused"}'),
      await valueOf(stowage, 'stowage_claims_total{outcome="failed"}'),
      await valueOf(stowage, "stowage_claim_duration_seconds_count"),
      await valueOf(stowage, "stowage_claim_batch_size_sum"),
    ]).toEqual([3, 1, undefined, 4, 4]);
  });

  test("tell how many candidates were found, of what is kept as well", async () => {
    const stowage = await start();
    for (const uuid of [PROVIDER, OTHER]) await makeProvider(stowage.client, uuid, { VCPU: 8 });
    const ask = (query: string) => stowage.client.get(`/allocation_candidates?${query}`);
    // Of what is asked for a third time, the second answer was kept.
    for (let times = 1; times <= 3; times += 1) await ask("resources=VCPU:1");
    await ask("resources=VCPU:1&limit=1");
    await ask("resources=VCPU:9");
    expect([
      await valueOf(stowage, 'stowage_candidates_returned_bucket{le="0"}'),
      await valueOf(stowage, 'stowage_candidates_returned_bucket{le="1"}'),
      await valueOf(stowage, 'stowage_candidates_returned_bucket{le="10"}'),
      await valueOf(stowage, "stowage_candidates_returned_sum"),
      await valueOf(stowage, "stowage_candidates_empty_total"),
      await valueOf(stowage, "stowage_candidates_limited_total"),
    ]).toEqual([1, 2, 5, 7, 1, 1]);
  });

  test("tell of the read model, the change feed and the database", async () => {
    const stowage = await start();
    for (const uuid of [PROVIDER, OTHER]) await makeProvider(stowage.client, uuid, { VCPU: 8 });
    await stowage.client.get("/resource_providers");
    const { isShared } = stowage.service.database.adapter;
    const read = async (...samples: string[]) =>
      Promise.all(samples.map((sample) => valueOf(stowage, sample)));
    expect(
      await read(
        "stowage_index_providers",
        "stowage_index_trees",
        "stowage_index_views_open",
        'stowage_index_builds_total{reason="start"}',
        'stowage_index_build_duration_seconds_count{reason="start"}',
        "stowage_feed_unknown_writer",
        "stowage_database_up",
        "stowage_database_writable",
        'stowage_database_connections{state="waiting"}',
      ),
    ).toEqual([2, 2, 0, 1, 1, 0, 1, 1, 0]);
    const view = (await stowage.service.freshIndex(CONTEXT)).openView();
    expect(await valueOf(stowage, "stowage_index_views_open")).toBe(1);
    view.close();
    const [waits = 0, open] = await read(
      "stowage_feed_wait_seconds_count",
      "stowage_feed_open_entries",
    );
    expect([waits > 0, open !== undefined]).toEqual([isShared, isShared]);
    const [written = 0, measured] = await read(
      'stowage_database_transactions_total{kind="write",outcome="done"}',
      'stowage_database_transaction_duration_seconds_count{kind="write",outcome="done"}',
    );
    expect(written).toBeGreaterThanOrEqual(4);
    expect(measured).toBe(written);
    const [idle = 0] = await read('stowage_database_connections{state="idle"}');
    expect(idle).toBeGreaterThan(0);
  });
});

describe.for(SERVER_ENGINES)("the metrics of a service whose $name goes away", (engine) => {
  test("say that it is away, and that claims fail", async () => {
    const database = await engine.borrowDatabase();
    const address = new URL(database.connection.replace(/^[^:]+/, "http"));
    const proxy = await DatabaseProxy.start(address.hostname, Number(address.port));
    const connection = database.connection.replace(address.host, `127.0.0.1:${proxy.port}`);
    const stowage = await startHere({
      placementDatabase: { connection },
      // Long enough for what comes before on any machine.
      stowage: { databaseTimeout: 5 },
    });
    onTestFinished(async () => {
      await stowage.stop();
      await proxy.stop();
      await database.remove();
    });
    await makeProvider(stowage.client, PROVIDER, { VCPU: 8 });
    proxy.fallSilent();
    expect((await claim(stowage, 1, 1)).status).toBe(503);
    expect(await valueOf(stowage, 'stowage_claims_total{outcome="failed"}')).toBe(1);
    // The claim may have been given up a moment before the transaction that it waited for.
    await vi.waitFor(async () => expect(await valueOf(stowage, "stowage_database_up")).toBe(0), {
      timeout: 30_000,
      interval: 100,
    });
    expect(
      await valueOf(stowage, 'stowage_database_transactions_total{kind="read",outcome="failed"}'),
    ).toBeGreaterThan(0);
    proxy.speakAgain();
    await vi.waitFor(async () => expect(await valueOf(stowage, "stowage_database_up")).toBe(1), {
      timeout: 30_000,
      interval: 100,
    });
  });
});

test("requests under way are counted until they are answered", async () => {
  const stowage = await startHere();
  onTestFinished(() => stowage.stop());
  const inFlight = () => stowage.metrics.total("stowage_http_requests_in_flight");
  expect(await inFlight()).toBe(0);
  // The service waits for a body of which only the beginning has come.
  const controller = new AbortController();
  const body = new ReadableStream({
    start: (stream) => stream.enqueue(new TextEncoder().encode("{")),
  });
  const request: RequestInit & { duplex: "half" } = {
    method: "POST",
    headers: { "x-auth-token": "admin", "content-type": "application/json" },
    body,
    duplex: "half",
    signal: controller.signal,
  };
  const url = `${stowage.client.url}/resource_providers`;
  const answer = fetch(url, request).catch(() => undefined);
  await vi.waitFor(async () => expect(await inFlight()).toBe(1), { timeout: 10_000 });
  controller.abort();
  await answer;
  await vi.waitFor(async () => expect(await inFlight()).toBe(0), { timeout: 10_000 });
});
