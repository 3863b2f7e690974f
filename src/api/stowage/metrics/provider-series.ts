import type {
  FleetAllocation,
  FleetInventory,
  FleetInventories,
} from "../../../operations/fleet.ts";

/** One gauge of each inventory, by the names that openstack-exporter made known. */
const OF_INVENTORIES: readonly (readonly [
  name: string,
  value: (inventory: FleetInventory, provider: FleetInventories) => number,
])[] = [
  ["resource_allocation_ratio", ({ allocationRatio }) => allocationRatio],
  ["resource_generation", (_inventory, { generation }) => generation],
  ["resource_reserved", ({ reserved }) => reserved],
  ["resource_total", ({ total }) => total],
  ["resource_usage", ({ used }) => used],
];

const OF_ALLOCATIONS = "resource_provider_allocations";

/**
 * The series of openstack-exporter's service `placement`: the same names, labels and help.
 *
 * @param listProviders begins anew for each gauge, as the lines of one stand together
 */
export function* writeProviderSeries(
  prefix: string,
  listProviders: () => Iterable<FleetInventories | undefined>,
): Generator<string> {
  for (const [name, valueOf] of OF_INVENTORIES) {
    yield head(prefix, name);
    for (const provider of listProviders()) {
      if (!provider) yield "";
      else {
        const hostname = escape(provider.name);
        let lines = "";
        for (const inventory of provider.inventories) {
          const labels = `hostname="${hostname}",resourcetype="${inventory.resourceClass}"`;
          lines += `${prefix}_placement_${name}{${labels}} ${valueOf(inventory, provider)}\n`;
        }
        yield lines;
      }
    }
  }
  yield `${head(prefix, "up")}${prefix}_placement_up 1\n`;
}

export function headOfAllocations(prefix: string): string {
  return head(prefix, OF_ALLOCATIONS);
}

export function writeAllocation(
  prefix: string,
  { providerName, consumerUuid, resourceClass, used }: FleetAllocation,
): string {
  const labels = `hostname="${escape(providerName)}",uuid="${escape(consumerUuid)}",resourcetype="${resourceClass}"`;
  return `${prefix}_placement_${OF_ALLOCATIONS}{${labels}} ${used}\n`;
}

function head(prefix: string, name: string): string {
  const full = `${prefix}_placement_${name}`;
  return `# HELP ${full} ${name}\n# TYPE ${full} gauge\n`;
}

function escape(text: string): string {
  return /[\\"\n]/.test(text)
    ? text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
    : text;
}
