import { randomUUID } from "node:crypto";

/** A provider as it is made through the API. */
export interface MadeProvider {
  readonly uuid: string;
  readonly parent?: string;
  readonly inventories: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly traits: readonly string[];
  readonly aggregates: readonly string[];
}

export interface Job {
  readonly name: string;
  readonly trees: number;
  /** Claims one after the other, with candidates asked for in between. */
  readonly claims: number;
  /** Candidates come in random order, so that claims seldom meet on one provider. */
  readonly isRandom: boolean;
  readonly makeTree: (number: number) => readonly MadeProvider[];
  readonly query: string;
}

const AGGREGATES = [
  "14a5c8a3-5a99-4e8f-88be-00d85fcb1c17",
  "66d98e7c-3c25-485d-a0dc-1cea651884de",
  "a59dbb28-fd98-4c6e-9ec5-ae5f3d04b0aa",
];
const HOST_TRAIT = "HW_CPU_X86_AVX2";
const HOST = "resources=VCPU:1,DISK_GB:10,MEMORY_MB:256";

/**
 * What upstream's own performance job (`gate/perfload-runner.sh`, `gate/perfload-nested-runner.sh`)
 * asks of Placement, and the sizes that are promised beyond it.
 */
export const JOBS: readonly Job[] = [
  {
    name: "perfload, 1000 hosts",
    trees: 1000,
    claims: 99,
    isRandom: true,
    makeTree: makeHost,
    query: `${HOST}&member_of=${AGGREGATES[0]}&required=${HOST_TRAIT}`,
  },
  {
    name: "perfload, 1000 nested trees of 7",
    trees: 1000,
    claims: 10,
    isRandom: true,
    makeTree: makeNested,
    query:
      "resources=DISK_GB:10&required=COMPUTE_VOLUME_MULTI_ATTACH" +
      "&resources_COMPUTE=VCPU:1,MEMORY_MB:256&required_COMPUTE=CUSTOM_FOO" +
      "&resources_FPGA=FPGA:1&group_policy=none&same_subtree=_COMPUTE,_FPGA",
  },
  ...[1000, 10_000].map((trees) => ({
    name: `${trees} hosts, limit 1000`,
    trees,
    claims: 0,
    isRandom: false,
    makeTree: makeHost,
    query: `${HOST}&limit=1000`,
  })),
];

/** Each host is in one, two or three of three aggregates. */
function makeHost(number: number): MadeProvider[] {
  return [
    {
      uuid: randomUUID(),
      inventories: {
        VCPU: { total: 32, max_unit: 16 },
        MEMORY_MB: { total: 8192, min_unit: 128, max_unit: 8192 },
        DISK_GB: { total: 8192, min_unit: 5, max_unit: 8192 },
      },
      traits: [HOST_TRAIT, "HW_CPU_X86_SSE2"],
      aggregates: AGGREGATES.slice(0, 1 + (number % AGGREGATES.length)),
    },
  ];
}

/** A compute node with two NUMA nodes and two devices below each. */
function makeNested(): MadeProvider[] {
  const [node, numa0, numa1] = [randomUUID(), randomUUID(), randomUUID()];
  const provider = (
    uuid: string,
    parent: string | undefined,
    inventories: MadeProvider["inventories"],
    traits: readonly string[] = [],
  ): MadeProvider => ({ uuid, ...(parent && { parent }), inventories, traits, aggregates: [] });
  const device = (parent: string, inventories: MadeProvider["inventories"]) =>
    provider(randomUUID(), parent, inventories);
  return [
    provider(node, undefined, { DISK_GB: { total: 20_480 } }, ["COMPUTE_VOLUME_MULTI_ATTACH"]),
    provider(
      numa0,
      node,
      {
        VCPU: { total: 4, reserved: 2 },
        MEMORY_MB: { total: 2048, min_unit: 512, step_size: 256 },
      },
      ["HW_NUMA_ROOT"],
    ),
    device(numa0, { FPGA: { total: 1 } }),
    device(numa0, { VGPU: { total: 8 } }),
    provider(
      numa1,
      node,
      { VCPU: { total: 4 }, MEMORY_MB: { total: 2048, min_unit: 256, max_unit: 1024 } },
      ["HW_NUMA_ROOT", "CUSTOM_FOO"],
    ),
    device(numa1, { FPGA: { total: 1 } }),
    device(numa1, { FPGA: { total: 1 } }),
  ];
}
