import { afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  claimBody,
  consumerUuid,
  makeProvider,
  providerUuid,
  usedAccordingTo,
} from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { PRIVATE_ENGINES, type PrivateServer } from "./private-servers.ts";

const PROVIDER = providerUuid(1);

describe.for(PRIVATE_ENGINES)("on a $name that has lost what it had committed last", (engine) => {
  let server: PrivateServer;
  let replicas: LocalStowage[];

  beforeEach(async () => {
    server = await engine.start();
    await server.createDatabase("placement");
    const connection = server.connectionTo("placement");
    const start = () => startHere({ placementDatabase: { connection } });
    replicas = [await start(), await start()];
    await makeProvider(replica(0).client, PROVIDER, { VCPU: 10 });
    await server.keepCopy();
    for (const { client } of replicas) await client.expectSuccess("GET", "/resource_providers");
  });

  afterEach(async () => {
    for (const each of replicas) await each.stop();
    await server.remove();
  });

  function replica(number: number): LocalStowage {
    const found = replicas[number];
    if (!found) throw new Error("there are two replicas");
    return found;
  }

  async function claim(by: number, consumer: number, amount: number, project: string) {
    const body = claimBody({ [PROVIDER]: { VCPU: amount } }, { project });
    const answer = await replica(by).client.put(`/allocations/${consumerUuid(consumer)}`, body);
    return answer.status;
  }

  async function projectOf(consumer: number): Promise<unknown> {
    const path = `/allocations/${consumerUuid(consumer)}`;
    const answer = await replica(0).client.expectSuccess("GET", path);
    return answer.json<{ project_id: string }>().project_id;
  }

  test("replicas show what is there, and claims of all that is free are granted", async () => {
    expect(await claim(0, 1, 8, "lab")).toBe(204);
    for (const { client } of replicas) expect(await usedAccordingTo(client, PROVIDER)).toBe(8);
    await server.goBack();

    for (const { client } of replicas) expect(await usedAccordingTo(client, PROVIDER)).toBe(0);
    expect(await claim(1, 2, 5, "lab")).toBe(204);
    expect(await claim(0, 3, 4, "lab")).toBe(204);
    for (const { client } of replicas) expect(await usedAccordingTo(client, PROVIDER)).toBe(9);
  });

  test("a claim is granted first thing, though the provider was full", async () => {
    expect(await claim(0, 1, 10, "lab")).toBe(204);
    await server.goBack();

    expect(await claim(0, 2, 10, "lab")).toBe(204);
  });

  test("claims are put under the projects that they name", async () => {
    for (const by of [0, 1]) expect(await claim(by, 1 + by, 1, "lost")).toBe(204);
    await server.goBack();

    expect(await claim(0, 3, 1, "first")).toBe(204);
    for (const by of [0, 1]) expect(await claim(by, 4 + by, 1, "lost")).toBe(204);
    expect(await projectOf(3)).toBe("first");
    for (const by of [0, 1]) expect(await projectOf(4 + by)).toBe("lost");
  });
});
