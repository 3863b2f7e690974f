import { afterAll, beforeAll, expect, test } from "vitest";

import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";

/** So small that what is written by hand counts as large. */
const SMALL = 400;
const HOST = providerUuid(1);

let stowage: LocalStowage;

beforeAll(async () => {
  stowage = await startHere({ stowage: { maxSmallBodySize: SMALL } });
  await makeProvider(stowage.client, HOST, { VCPU: 1000 });
});

afterAll(() => stowage.stop());

function claims(first: number, count: number): Record<string, unknown> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, at) => [
      consumerUuid(first + at),
      claimBody({ [HOST]: { VCPU: 1 } }),
    ]),
  );
}

async function detailOf(path: string, body: unknown): Promise<string> {
  const reply = await stowage.client.post(path, body);
  expect(reply.status).toBe(400);
  return reply.json<{ errors: [{ detail: string }] }>().errors[0].detail;
}

test("Claims of many consumers are made", async () => {
  expect((await stowage.client.post("/allocations", claims(100, 20))).status).toBe(204);
  const reply = await stowage.client.get(`/allocations/${consumerUuid(119)}`);
  expect(reply.json()).toMatchObject({ allocations: { [HOST]: { resources: { VCPU: 1 } } } });
});

test("A reshape of many consumers is made, whichever part comes first", async () => {
  const generation = async () =>
    (await stowage.client.get(`/resource_providers/${HOST}`)).json<{ generation: number }>()
      .generation;
  const inventories = async () => ({
    [HOST]: {
      resource_provider_generation: await generation(),
      inventories: { VCPU: { total: 1000 } },
    },
  });
  const first = { inventories: await inventories(), allocations: claims(200, 10) };
  expect((await stowage.client.post("/reshaper", first)).status).toBe(204);
  const second = { allocations: claims(300, 10), inventories: await inventories() };
  expect((await stowage.client.post("/reshaper", second)).status).toBe(204);
  expect((await stowage.client.get(`/allocations/${consumerUuid(309)}`)).text).toContain(HOST);
});

test("The first fault is told as it is of a small body, and nothing is done", async () => {
  const wrong = { ...claims(400, 5), [consumerUuid(405)]: {}, [consumerUuid(406)]: 7 };
  const detail = await detailOf("/allocations", wrong);
  expect(detail).toContain("JSON does not validate: 'allocations' is a required property");
  expect(detail.replaceAll(/ +/g, " ")).toContain(`On instance['${consumerUuid(405)}']: {}`);
  const reply = await stowage.client.get(`/allocations/${consumerUuid(400)}`);
  expect(reply.json()).toEqual({ allocations: {} });
});

test("Parts of a reshape that are missing, unknown or empty are told", async () => {
  const many = claims(500, 5);
  const one = { [HOST]: { resource_provider_generation: 0, inventories: {} } };
  expect(await detailOf("/reshaper", { inventories: one, other: 1, allocations: many })).toContain(
    "'other' was unexpected",
  );
  expect(await detailOf("/reshaper", { allocations: many })).toContain("inventories");
  expect(await detailOf("/reshaper", { inventories: {}, allocations: many })).toContain(
    "{} does not have enough properties",
  );
  const providers = Object.fromEntries(
    Array.from({ length: 10 }, (_, at) => [providerUuid(at + 1), one[HOST]]),
  );
  expect(await detailOf("/reshaper", { inventories: providers })).toContain(
    "'allocations' is a required property",
  );
});

test("A consumer that is named twice, in two spellings, is refused", async () => {
  const [[uuid, claim] = ["", {}], ...others] = Object.entries(claims(600, 5));
  const body = Object.fromEntries([[uuid, claim], ...others, [uuid.toUpperCase(), claim]]);
  expect(await detailOf("/allocations", body)).toContain("is named twice");
});

test("One consumer may claim no more than in a request of its own", async () => {
  const claim = claimBody({ [HOST]: { VCPU: 1, [`CUSTOM_${"A".repeat(SMALL)}`]: 1 } });
  const body = { ...claims(700, 5), [consumerUuid(705)]: claim };
  expect(await detailOf("/allocations", body)).toContain(`A member is larger than ${SMALL} bytes.`);
  const alone = await stowage.client.put(`/allocations/${consumerUuid(705)}`, claim);
  expect(alone.status).toBe(413);
});
