import { afterAll, beforeAll, expect, test } from "vitest";

import { claimBody, consumerUuid, makeProvider, providerUuid } from "./support/fleet.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

const HOST = providerUuid(1);
const PARENT = providerUuid(2);
const CHILD = providerUuid(3);

let stowage: LocalStowage;

beforeAll(async () => {
  stowage = await startHere();
  const { client } = stowage;
  await makeProvider(client, HOST, { VCPU: 8 });
  await makeProvider(client, PARENT, {});
  const child = { uuid: CHILD, name: CHILD, parent_provider_uuid: PARENT };
  await client.expectSuccess("POST", "/resource_providers", { body: child });
  const body = claimBody({ [HOST]: { VCPU: 1 } });
  await client.expectSuccess("PUT", `/allocations/${consumerUuid(1)}`, { body });
});

afterAll(() => stowage.stop());

const CANDIDATES = "/allocation_candidates";

test.for<[code: string, status: number, method: string, path: string, body?: unknown]>([
  ["placement.inventory.inuse", 409, "DELETE", `/resource_providers/${HOST}/inventories`],
  [
    "placement.concurrent_update",
    409,
    "PUT",
    `/resource_providers/${HOST}/inventories`,
    { resource_provider_generation: 99, inventories: { VCPU: { total: 9 } } },
  ],
  ["placement.duplicate_name", 409, "POST", "/resource_providers", { name: HOST }],
  ["placement.resource_provider.inuse", 409, "DELETE", `/resource_providers/${HOST}`],
  [
    "placement.resource_provider.cannot_delete_parent",
    409,
    "DELETE",
    `/resource_providers/${PARENT}`,
  ],
  [
    "placement.resource_provider.not_found",
    400,
    "POST",
    "/reshaper",
    {
      inventories: { [providerUuid(99)]: { resource_provider_generation: 0, inventories: {} } },
      allocations: {},
    },
  ],
  [
    "placement.query.duplicate_key",
    400,
    "GET",
    `${CANDIDATES}?resources=VCPU:1&root_required=HW_CPU_X86_VMX&root_required=HW_CPU_X86_AVX`,
  ],
  ["placement.query.bad_value", 400, "GET", `${CANDIDATES}?resources=VCPU:1&same_subtree=,`],
  [
    "placement.query.missing_value",
    400,
    "GET",
    `${CANDIDATES}?required_A=HW_CPU_X86_VMX&same_subtree=_A`,
  ],
  ["placement.undefined_code", 404, "GET", `/resource_providers/${providerUuid(99)}`],
])(
  "An error is told as %s, with status %i, since 1.23",
  async ([code, status, method, path, body]) => {
    const reply = await stowage.client.send(method, path, { body });
    const [error] = reply.json<{ errors: [{ status: number; code: string }] }>().errors;
    expect([reply.status, error.status, error.code]).toEqual([status, status, code]);
  },
);
