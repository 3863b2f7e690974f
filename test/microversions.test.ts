import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { listMicroversions, minorOf, type Feature } from "../src/api/microversions.ts";
import type { Reply } from "./support/client.ts";
import { consumerUuid, providerUuid } from "./support/fleet.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

let stowage: LocalStowage;
beforeAll(async () => void (stowage = await startHere()));
afterAll(() => stowage.stop());

/** One client's day, in one microversion: every method of every route, with what it says then. */
describe.for(listMicroversions())("in 1.$minor", ({ minor }) => {
  const version = `1.${minor}`;
  const has = (feature: Feature) => minor >= minorOf(feature);
  const uuid = providerUuid(minor);
  const provider = `/resource_providers/${uuid}`;
  const consumer = consumerUuid(minor);

  async function send(method: string, path: string, body?: unknown): Promise<Reply> {
    const reply = await stowage.client.send(method, path, { version, body });
    expect(reply.headers["openstack-api-version"], path).toBe(`placement ${version}`);
    return reply;
  }

  /** With the status of the answer and whether it may be kept, which is told since 1.15. */
  async function expectAnswer(status: number, method: string, path: string, body?: unknown) {
    const reply = await send(method, path, body);
    expect([method, path, reply.status, reply.text]).toEqual([method, path, status, reply.text]);
    const isDated = reply.headers["last-modified"] !== undefined;
    if (method === "GET" && status === 200)
      expect([path, isDated]).toEqual([path, has("cacheHeaders")]);
    return reply;
  }

  /** A route that a later microversion brings is not there, and says which. */
  async function expectSince(
    feature: Feature,
    status: number,
    method: string,
    path: string,
    body?: unknown,
  ) {
    if (has(feature)) return expectAnswer(status, method, path, body);
    const reply = await expectAnswer(404, method, path, body);
    expect(reply.text).toContain(`came with microversion 1.${minorOf(feature)}`);
    return undefined;
  }

  async function generation(): Promise<number> {
    const reply = await stowage.client.expectSuccess("GET", provider);
    return reply.json<{ generation: number }>().generation;
  }

  const claim = () => ({
    allocations: has("allocationsByProvider")
      ? { [uuid]: { resources: { VCPU: 1 } } }
      : [{ resource_provider: { uuid }, resources: { VCPU: 1 } }],
    ...(has("consumerOwner") && { project_id: "lab", user_id: "ann" }),
    ...(has("consumerGeneration") && { consumer_generation: null }),
    ...(has("consumerTypes") && { consumer_type: "INSTANCE" }),
  });

  test("providers and their inventories are made, shown, changed and deleted", async () => {
    await expectAnswer(200, "GET", "/");
    const made = has("createdProviderBody") ? 200 : 201;
    const { text } = await expectAnswer(made, "POST", "/resource_providers", {
      uuid,
      name: version,
    });
    expect(text !== "").toBe(has("createdProviderBody"));
    const shown = (await expectAnswer(200, "GET", provider)).json<object>();
    expect("root_provider_uuid" in shown).toBe(has("nestedProviders"));
    await expectAnswer(200, "GET", "/resource_providers");
    await expectAnswer(200, "PUT", provider, { name: `renamed ${version}` });

    const inventories = `${provider}/inventories`;
    const all = async () => ({
      resource_provider_generation: await generation(),
      inventories: { VCPU: { total: 8 } },
    });
    await expectAnswer(200, "PUT", inventories, await all());
    await expectAnswer(201, "POST", inventories, { resource_class: "DISK_GB", total: 5 });
    const one = { resource_provider_generation: await generation(), total: 6 };
    await expectAnswer(200, "PUT", `${inventories}/DISK_GB`, one);
    const reserved = { ...one, resource_provider_generation: await generation(), reserved: 6 };
    const isAllowed = has("reservedCanBeTotal");
    await expectAnswer(isAllowed ? 200 : 400, "PUT", `${inventories}/DISK_GB`, reserved);
    await expectAnswer(200, "GET", `${inventories}/DISK_GB`);
    await expectAnswer(204, "DELETE", `${inventories}/DISK_GB`);
    await expectAnswer(200, "GET", inventories);
    await expectAnswer(has("deleteInventories") ? 204 : 405, "DELETE", inventories);
    await expectAnswer(200, "PUT", inventories, await all());
  });

  test("aggregates, traits and resource classes are named and forgotten", async () => {
    const aggregates = has("aggregateGeneration")
      ? { aggregates: [uuid], resource_provider_generation: await generation() }
      : [uuid];
    await expectSince("aggregates", 200, "PUT", `${provider}/aggregates`, aggregates);
    await expectSince("aggregates", 200, "GET", `${provider}/aggregates`);

    const trait = `CUSTOM_TRAIT_${minor}`;
    await expectSince("traits", 201, "PUT", `/traits/${trait}`);
    await expectSince("traits", 204, "GET", `/traits/${trait}`);
    await expectSince("traits", 200, "GET", "/traits");
    const traits = { traits: [trait], resource_provider_generation: await generation() };
    await expectSince("traits", 200, "PUT", `${provider}/traits`, has("traits") ? traits : {});
    await expectSince("traits", 200, "GET", `${provider}/traits`);
    await expectSince("traits", 204, "DELETE", `${provider}/traits`);
    await expectSince("traits", 204, "DELETE", `/traits/${trait}`);

    const name = `CUSTOM_CLASS_${minor}`;
    const path = `/resource_classes/${name}`;
    await expectSince("resourceClasses", 201, "POST", "/resource_classes", { name });
    await expectSince("resourceClasses", 200, "GET", "/resource_classes");
    await expectSince("resourceClasses", 200, "GET", path);
    const isMade = has("idempotentResourceClass");
    const body = isMade ? undefined : { name: `${name}_RENAMED` };
    await expectSince("resourceClasses", isMade ? 204 : 200, "PUT", path, body);
    const left = isMade ? path : `${path}_RENAMED`;
    await expectSince("resourceClasses", 204, "DELETE", left);
  });

  test("resources are claimed, counted, moved and given back", async () => {
    await expectSince(
      "allocationCandidates",
      200,
      "GET",
      "/allocation_candidates?resources=VCPU:1",
    );
    await expectAnswer(204, "PUT", `/allocations/${consumer}`, claim());
    const { text } = await expectAnswer(200, "GET", `/allocations/${consumer}`);
    expect(text.includes('"consumer_generation"')).toBe(has("consumerGeneration"));
    expect(text.includes('"consumer_type"')).toBe(has("consumerTypes"));
    await expectAnswer(200, "GET", `${provider}/allocations`);
    await expectAnswer(200, "GET", `${provider}/usages`);
    const usages = await expectSince("totalUsages", 200, "GET", "/usages?project_id=lab");
    expect(usages?.text.includes('"INSTANCE"') ?? false).toBe(has("consumerTypes"));
    await expectAnswer(204, "DELETE", `/allocations/${consumer}`);

    await expectSince("postAllocations", 204, "POST", "/allocations", { [consumer]: claim() });
    const present = has("consumerGeneration") ? { consumer_generation: 1 } : {};
    await expectSince("reshaper", 204, "POST", "/reshaper", {
      inventories: {
        [uuid]: {
          resource_provider_generation: await generation(),
          inventories: { VCPU: { total: 9 } },
        },
      },
      allocations: { [consumer]: { ...claim(), ...present } },
    });
    if (has("postAllocations")) await expectAnswer(204, "DELETE", `/allocations/${consumer}`);
    await expectAnswer(204, "DELETE", provider);
  });

  test("errors have a code since 1.23", async () => {
    const { text } = await expectAnswer(404, "GET", `/resource_providers/${providerUuid(999)}`);
    expect(text.includes('"code"')).toBe(has("errorCodes"));
  });
});
