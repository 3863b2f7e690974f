import type {
  InventoryRecord,
  NamedRecord,
  ProviderRecord,
} from "../../src/domain/provider-record.ts";

/** The same fleets in every run: everything follows from the seed. */
export interface FleetShape {
  readonly kind: "flat" | "nested" | "wide";
  /** How many trees; in a flat fleet that is how many providers. */
  readonly trees: number;
  /** Of each tree of a wide fleet. */
  readonly devices: number;
}

export interface Scenario {
  readonly name: string;
  readonly fleet: FleetShape;
  readonly query: string;
}

export const RESOURCE_CLASSES = named(0, ["VCPU", "MEMORY_MB", "DISK_GB"]).concat(
  named(10_000, ["CUSTOM_DEVICE"]),
);
export const TRAITS = named(
  1,
  Array.from({ length: 20 }, (_, number) => `CUSTOM_TRAIT_NUMBER_${number}`),
);

const [VCPU, MEMORY_MB, DISK_GB, CUSTOM_DEVICE] = RESOURCE_CLASSES.map(({ id }) => id) as [
  number,
  number,
  number,
  number,
];

export const HOST = "resources=VCPU:1,MEMORY_MB:1024,DISK_GB:10&limit=1000";

export const SUBTREES =
  "resources_CPU=VCPU:1,MEMORY_MB:1024&resources_NIC=CUSTOM_DEVICE:1&group_policy=none" +
  "&same_subtree=_CPU,_NIC";

export function scenarios(options: { readonly isHuge: boolean }): Scenario[] {
  return [...flatScenarios(options.isHuge), ...nestedScenarios(), ...wideScenarios()];
}

function flatScenarios(isHuge: boolean): Scenario[] {
  return [1_000, 10_000, 100_000, ...(isHuge ? [1_000_000] : [])].map((trees) => ({
    name: `flat, ${trees}`,
    fleet: { kind: "flat", trees, devices: 0 },
    query: HOST,
  }));
}

function nestedScenarios(): Scenario[] {
  const fleet = { kind: "nested", trees: 10_000, devices: 0 } as const;
  return [
    {
      name: "nested, one NUMA node",
      fleet,
      query: "resources=VCPU:1,MEMORY_MB:1024&limit=1000",
    },
    ...[10, 100, 1000].map((limit) => ({
      name: `nested, same subtree, limit ${limit}`,
      fleet,
      query: `${SUBTREES}&limit=${limit}`,
    })),
  ];
}

function wideScenarios(): Scenario[] {
  return [8, 16, 32, 64].flatMap((devices) =>
    [1, 2, 4, 6, 8].flatMap((groups) =>
      ["isolate", "none"].map((policy) => ({
        name: `wide, ${devices} devices, ${groups} groups, ${policy}`,
        fleet: { kind: "wide", trees: 100, devices } as const,
        query: [
          "resources=VCPU:1",
          ...Array.from({ length: groups }, (_, group) => `resources${group + 1}=CUSTOM_DEVICE:1`),
          `group_policy=${policy}`,
          "limit=1000",
        ].join("&"),
      })),
    ),
  );
}

/** The providers of a fleet, parents before children. */
export function* providersOf(shape: FleetShape, seed: number): Generator<ProviderRecord> {
  const random = mulberry32(seed);
  let id = 0;
  for (let tree = 0; tree < shape.trees; tree++) {
    const rootId = (id += 1);
    const traitIds = Array.from({ length: 10 }, (_, number) => 1 + ((number + tree) % 4) + number)
      .filter((it, position, all) => all.indexOf(it) === position)
      .sort((a, b) => a - b);
    const provider = (parentId: number | null, inventories: InventoryRecord[]): ProviderRecord => {
      const own = parentId === null ? rootId : (id += 1);
      const uuid = uuidFrom(random);
      const name = `provider-${own}`;
      const generation = 0;
      return {
        id: own,
        uuid,
        name,
        generation,
        parentId,
        rootId,
        inventories,
        traitIds,
        aggregates: [],
      };
    };
    const cpu = [inventory(VCPU, 64, 4), inventory(MEMORY_MB, 262_144, 1)];
    if (shape.kind === "flat") {
      yield provider(null, [...cpu, inventory(DISK_GB, 4000, 1)]);
    } else if (shape.kind === "wide") {
      yield provider(null, [inventory(VCPU, 64, 4)]);
      for (let device = 0; device < shape.devices; device++) {
        yield provider(rootId, [inventory(CUSTOM_DEVICE, 1, 1)]);
      }
    } else {
      yield provider(null, []);
      for (let node = 0; node < 2; node++) {
        const numa = provider(rootId, cpu);
        yield numa;
        for (let nic = 0; nic < 2; nic++) yield provider(numa.id, [inventory(CUSTOM_DEVICE, 8, 1)]);
      }
    }
  }
}

function inventory(
  resourceClassId: number,
  total: number,
  allocationRatio: number,
): InventoryRecord {
  return {
    resourceClassId,
    total,
    reserved: 0,
    minUnit: 1,
    maxUnit: total,
    stepSize: 1,
    allocationRatio,
    used: 0,
  };
}

function named(firstId: number, names: readonly string[]): NamedRecord[] {
  return names.map((name, number) => ({
    id: firstId + number,
    name,
    createdAt: null,
    updatedAt: null,
  }));
}

function uuidFrom(random: () => number): string {
  const digits = (count: number) =>
    Math.floor(random() * 16 ** count)
      .toString(16)
      .padStart(count, "0");
  return `${digits(8)}-${digits(4)}-4${digits(3)}-8${digits(3)}-${digits(6)}${digits(6)}`;
}

/** A small generator of random numbers from 0 up to 1 (Tommy Ettinger, public domain). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
