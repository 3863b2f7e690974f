import type { Client } from "../support/client.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";

const HOST = providerUuid(1);
const OTHER_HOST = providerUuid(2);
const CONSUMER = consumerUuid(1);
/** Has a lease. */
const LEASED = consumerUuid(2);
const AGGREGATE = "b0000000-0000-4000-8000-000000000001";
const CLASS = "CUSTOM_SPECIMEN";
const TRAIT = "CUSTOM_SPECIMEN";
/** A standard class of which the host has no inventory. */
const ABSENT_CLASS = "VGPU";

/** The paths of things that exist, by the template of the route. */
const EXISTING: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/resource_classes/{name}": { name: CLASS },
  "/traits/{name}": { name: TRAIT },
  "/allocations/{consumer_uuid}": { consumer_uuid: CONSUMER },
  "/stowage/v1/consumers/{uuid}": { uuid: CONSUMER },
  "/stowage/v1/consumers/{uuid}/lease": { uuid: LEASED },
  "/stowage/v1/claims/{gang}": { gang: "train-18" },
};

/** The parameters of a path of which all exist; a route that is not known here is about the host. */
export function existingParameters(template: string): Readonly<Record<string, string>> {
  return EXISTING[template] ?? { uuid: HOST, resource_class: "VCPU" };
}

/** A request with a body that is fine, to be spoilt in one place at a time. */
export interface Specimen {
  /** Method and template of the route. */
  readonly route: string;
  readonly version: string;
  /** The body, for the state that the world is in. */
  readonly body: (world: World) => Promise<unknown>;
}

/** What the requests are about: made once, and looked at again whenever something has changed it. */
export class World {
  readonly client: Client;
  #names = 0;

  constructor(client: Client) {
    this.client = client;
  }

  async build(): Promise<void> {
    const { client } = this;
    await client.expectSuccess("PUT", `/traits/${TRAIT}`);
    await client.expectSuccess("POST", "/resource_providers", { body: { uuid: HOST, name: HOST } });
    await makeProvider(client, OTHER_HOST, { VCPU: 100 });
    await this.restore();
  }

  /** Makes again what a request may have deleted or changed: all else is in use, and cannot be. */
  async restore(): Promise<void> {
    const { client } = this;
    await client.expectSuccess("PUT", `/resource_classes/${CLASS}`);
    await client.expectSuccess("PUT", `/resource_providers/${HOST}/inventories`, {
      body: {
        resource_provider_generation: await this.providerGeneration(),
        inventories: { VCPU: { total: 100 }, MEMORY_MB: { total: 100_000 } },
      },
    });
    await client.expectSuccess("PUT", `/resource_providers/${HOST}/traits`, {
      body: { traits: [TRAIT], resource_provider_generation: await this.providerGeneration() },
    });
    await client.expectSuccess("PUT", `/allocations/${CONSUMER}`, {
      body: claimBody({ [HOST]: { VCPU: 2 } }, { generation: await this.consumerGeneration() }),
    });
    await client.expectSuccess("POST", "/stowage/v1/claims", {
      body: {
        query: `resources=VCPU:1&in_tree=${OTHER_HOST}`,
        consumer: {
          uuid: LEASED,
          project_id: "lab",
          user_id: "ann",
          type: "INSTANCE",
          generation: await this.consumerGeneration(LEASED),
        },
        lease: { seconds: 2_592_000 },
      },
    });
  }

  /** A name that nobody has. */
  freshName(prefix: string): string {
    return `${prefix}${(this.#names += 1)}`;
  }

  async providerGeneration(): Promise<number> {
    const reply = await this.client.expectSuccess("GET", `/resource_providers/${HOST}`);
    return reply.json<{ generation: number }>().generation;
  }

  /** `null` while there is no such consumer. */
  async consumerGeneration(consumer = CONSUMER): Promise<number | null> {
    const reply = await this.client.expectSuccess("GET", `/allocations/${consumer}`);
    return reply.json<{ consumer_generation?: number }>().consumer_generation ?? null;
  }
}

const INVENTORY = {
  total: 100,
  reserved: 0,
  min_unit: 1,
  max_unit: 100,
  step_size: 1,
  allocation_ratio: 1.5,
};

async function inventories(world: World) {
  return {
    resource_provider_generation: await world.providerGeneration(),
    inventories: { VCPU: INVENTORY, MEMORY_MB: { total: 100_000 } },
  };
}

async function allocations(world: World) {
  const generation = await world.consumerGeneration();
  return {
    ...claimBody({ [HOST]: { VCPU: 2 } }, { generation }),
    mappings: { "": [HOST], _A: [HOST, OTHER_HOST] },
  };
}

function listedAllocations() {
  return [{ resource_provider: { uuid: HOST }, resources: { VCPU: 2 } }];
}

/**
 * Of every route that takes a document, in each of the forms that the document has had,
 * the newest first.
 */
export const SPECIMENS: readonly Specimen[] = [
  {
    route: "POST /resource_classes",
    version: "1.39",
    body: async (world) => ({ name: world.freshName("CUSTOM_") }),
  },
  {
    route: "PUT /resource_classes/{name}",
    version: "1.6",
    body: async () => ({ name: CLASS }),
  },
  {
    route: "POST /resource_providers",
    version: "1.39",
    body: async (world) => ({
      name: world.freshName("specimen "),
      uuid: crypto.randomUUID(),
      parent_provider_uuid: OTHER_HOST,
    }),
  },
  {
    route: "PUT /resource_providers/{uuid}",
    version: "1.39",
    body: async () => ({ name: HOST, parent_provider_uuid: null }),
  },
  {
    route: "POST /resource_providers/{uuid}/inventories",
    version: "1.39",
    async body(world) {
      await world.client.delete(`/resource_providers/${HOST}/inventories/${ABSENT_CLASS}`);
      return {
        resource_class: ABSENT_CLASS,
        resource_provider_generation: await world.providerGeneration(),
        ...INVENTORY,
      };
    },
  },
  {
    route: "PUT /resource_providers/{uuid}/inventories",
    version: "1.39",
    body: (world) => inventories(world),
  },
  {
    route: "PUT /resource_providers/{uuid}/inventories/{resource_class}",
    version: "1.39",
    body: async (world) => ({
      resource_provider_generation: await world.providerGeneration(),
      ...INVENTORY,
    }),
  },
  {
    route: "PUT /resource_providers/{uuid}/aggregates",
    version: "1.39",
    body: async (world) => ({
      aggregates: [AGGREGATE],
      resource_provider_generation: await world.providerGeneration(),
    }),
  },
  {
    route: "PUT /resource_providers/{uuid}/aggregates",
    version: "1.18",
    body: async () => [AGGREGATE],
  },
  {
    route: "PUT /resource_providers/{uuid}/traits",
    version: "1.39",
    body: async (world) => ({
      traits: [TRAIT, "HW_CPU_X86_VMX"],
      resource_provider_generation: await world.providerGeneration(),
    }),
  },
  {
    route: "POST /allocations",
    version: "1.39",
    body: async (world) => ({ [CONSUMER]: await allocations(world) }),
  },
  {
    route: "PUT /allocations/{consumer_uuid}",
    version: "1.39",
    body: (world) => allocations(world),
  },
  {
    route: "PUT /allocations/{consumer_uuid}",
    version: "1.27",
    async body(world) {
      const { allocations: claimed, project_id, user_id } = await allocations(world);
      return { allocations: claimed, project_id, user_id };
    },
  },
  {
    route: "PUT /allocations/{consumer_uuid}",
    version: "1.10",
    body: async () => ({ allocations: listedAllocations(), project_id: "lab", user_id: "ann" }),
  },
  {
    route: "PUT /allocations/{consumer_uuid}",
    version: "1.0",
    body: async () => ({ allocations: listedAllocations() }),
  },
  {
    route: "POST /reshaper",
    version: "1.39",
    body: async (world) => ({
      inventories: { [HOST]: await inventories(world) },
      allocations: { [CONSUMER]: await allocations(world) },
    }),
  },
  {
    route: "POST /stowage/v1/orphans",
    version: "1.39",
    body: async () => ({
      alive: [CONSUMER],
      alive_as_of: new Date().toISOString(),
      scope: {
        resource_classes: ["VCPU"],
        types: [null, "INSTANCE"],
        tree: HOST,
        min_age_seconds: 60,
      },
    }),
  },
  {
    route: "POST /stowage/v1/releases",
    version: "1.39",
    body: async (world) => ({
      releases: [
        {
          consumer: CONSUMER,
          generation: (await world.consumerGeneration()) ?? 0,
          providers: [HOST],
        },
      ],
      dry_run: true,
      reason: "a leak",
    }),
  },
  {
    route: "POST /stowage/v1/restorations",
    version: "1.39",
    body: async () => ({ reason: "a leak", dry_run: true }),
  },
  {
    route: "POST /stowage/v1/claims",
    version: "1.39",
    body: async () => ({
      query: "resources=VCPU:1&required=!HW_CPU_X86_AVX2",
      consumer: {
        uuid: consumerUuid(99),
        project_id: "lab",
        user_id: "ann",
        type: "INSTANCE",
        generation: null,
      },
      prefer: "pack",
      among: 5,
      not_on: [HOST],
      attempts: 2,
      lease: { seconds: 60 },
      dry_run: true,
    }),
  },
  {
    route: "POST /stowage/v1/claims",
    version: "1.39",
    body: async () => ({
      gang: "train-17",
      members: [
        { name: "ps", query: "resources=VCPU:1" },
        { name: "worker", count: 2, query: "resources=VCPU:1", uuids: null },
      ],
      rules: [{ max_per_host: 4 }, { max_per_host: 3, members: ["worker"] }],
      consumer: { project_id: "lab", user_id: "ann", type: "INSTANCE" },
      dry_run: true,
    }),
  },
  {
    route: "PUT /stowage/v1/consumers/{uuid}/lease",
    version: "1.39",
    body: async () => ({ seconds: 60 }),
  },
  {
    route: "POST /stowage/v1/explain",
    version: "1.39",
    body: async () => ({
      query: "resources=VCPU:1&resources_DISK=DISK_GB:5&required=!HW_CPU_X86_AVX2",
      microversion: "1.39",
      nearest: 2,
      host: HOST,
    }),
  },
  {
    route: "POST /stowage/v1/fit",
    version: "1.39",
    body: async () => ({
      flavors: { small: "resources=VCPU:1&required=!HW_CPU_X86_AVX2" },
      microversion: "1.39",
      spread: { max_per_host: 2 },
      hosts: 2,
      by_aggregate: [],
      suppose: [
        { empty: HOST },
        { set: { provider: HOST, resource_class: "VCPU", total: 8, allocation_ratio: 1.5 } },
        { add: { like: HOST, count: 1 } },
        { drain: HOST, required: "HW_CPU_X86_AVX2" },
      ],
    }),
  },
];

/** One of each route. */
export const NEWEST_SPECIMENS = SPECIMENS.filter(
  ({ route }, at) => SPECIMENS.findIndex((other) => other.route === route) === at,
);

/** Method and path of a specimen, about what exists. */
export function requestOf({ route }: Pick<Specimen, "route">): [method: string, path: string] {
  const [method = "", template = ""] = route.split(" ");
  return [method, pathTo(template)];
}

/** A path with the given parameters, which are encoded already. */
export function pathTo(template: string, parameters = existingParameters(template)): string {
  return template.replace(PARAMETER, (_, name: string) => parameters[name] ?? "unknown");
}

export const PARAMETER = /\{([^}]+)\}/g;
