import { OperatorError } from "../../config/operator-error.ts";

/** As `openstack flavor list --long -f json` prints it; what older clients print as a text is one. */
interface NovaFlavor {
  readonly name: string;
  readonly vcpus: number;
  readonly memoryMb: number;
  readonly diskGb: number;
  readonly extraSpecs: ReadonlyMap<string, string>;
}

/** A flavor that cannot be read as Nova reads it. */
class UnreadableFlavor extends OperatorError {}

/** Set on the compute nodes of services that are disabled: Nova asks for none of them. */
const DISABLED = "!COMPUTE_STATUS_DISABLED";

/** How many there are of a list, and how many were looked at. */
const MAX_FLAVORS = 500;

/**
 * The queries that Nova makes for flavors, by their names: what they have, and the extra specs `resources:`,
 * `trait:`, `group_policy`, `hw:cpu_policy`, `hw:cpu_dedicated_mask`, `hw:cpu_thread_policy`,
 * `hw:emulator_threads_policy`, `hw:mem_encryption`, `hw:pmem`, `hw:tpm_version` and `os:secure_boot`. Images,
 * networks and Nova's own filters are not in a flavor.
 *
 * @throws UnreadableFlavor
 */
export function queriesOfFlavors(list: readonly unknown[]): Map<string, string> {
  if (list.length > MAX_FLAVORS) {
    throw new UnreadableFlavor(
      `${list.length} flavors are too many: at most ${MAX_FLAVORS} are counted`,
    );
  }
  return new Map(list.map((item) => readFlavor(item)).map((it) => [it.name, queryOf(it)]));
}

function readFlavor(item: unknown): NovaFlavor {
  const fields = typeof item === "object" && item !== null ? Object.entries(item) : [];
  const values = new Map<string, unknown>(fields.map(([key, value]) => [key.toLowerCase(), value]));
  const name = values.get("name");
  if (typeof name !== "string" || name === "") throw new UnreadableFlavor("a flavor has no name");
  const amount = (field: string): number => {
    const value = values.get(field) ?? 0;
    const number = value === "" ? 0 : Number(value);
    if (Number.isSafeInteger(number) && number >= 0) return number;
    throw new UnreadableFlavor(`the flavor ${name} has no number as its ${field}`);
  };
  // As Nova does: swap is in MB, and counts in whole GB.
  const diskGb = amount("disk") + amount("ephemeral") + Math.ceil(amount("swap") / 1024);
  return {
    name,
    vcpus: amount("vcpus"),
    memoryMb: amount("ram"),
    diskGb,
    extraSpecs: readExtraSpecs(values.get("properties") ?? values.get("extra_specs")),
  };
}

function readExtraSpecs(properties: unknown): Map<string, string> {
  if (typeof properties === "string") {
    // As the client prints them: a='1', b='2'
    const parts = properties.split("'");
    const values = parts.slice(0, -1).flatMap((before, at): [string, string][] => {
      if (at % 2 === 1 || !before.endsWith("=")) return [];
      const key = before.slice(0, -1).replace(/^[\s,]+/, "");
      return [[key.trim(), parts[at + 1] ?? ""]];
    });
    return new Map(values);
  }
  if (typeof properties !== "object" || properties === null) return new Map();
  return new Map(Object.entries(properties).map(([key, value]) => [key, String(value)]));
}

/** A group of a query that is being put together. */
interface Group {
  readonly resources: Map<string, number>;
  readonly traits: string[];
}

function queryOf(flavor: NovaFlavor): string {
  const groups = new Map<string, Group>([
    ["", { resources: ownResources(flavor), traits: [DISABLED] }],
  ]);
  const groupOf = (suffix: string): Group => {
    const group = groups.get(suffix) ?? { resources: new Map(), traits: [] };
    groups.set(suffix, group);
    return group;
  };
  const unsuffixed = groupOf("");
  for (const [resourceClass, amount] of hardwareResources(flavor)) {
    unsuffixed.resources.set(resourceClass, amount);
  }
  unsuffixed.traits.push(...hardwareTraits(flavor.extraSpecs));
  for (const [key, value] of flavor.extraSpecs) {
    const [, kind, suffix = "", name = ""] =
      /^(resources|trait)([a-zA-Z0-9_-]{1,64})?:([A-Z0-9_]+)$/.exec(key) ?? [];
    if (kind === "resources") setAmount(flavor, groupOf(suffix), name, value);
    if (kind === "trait" && value === "required") groupOf(suffix).traits.push(name);
    if (kind === "trait" && value === "forbidden") groupOf(suffix).traits.push(`!${name}`);
  }
  return writeQuery(groups, flavor.extraSpecs.get("group_policy"));
}

/** An amount of an extra spec takes the place of the flavor's own; 0 takes it out. */
function setAmount(
  { name }: NovaFlavor,
  { resources }: Group,
  resourceClass: string,
  text: string,
) {
  const amount = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(amount)) {
    throw new UnreadableFlavor(`the flavor ${name} has no amount of ${resourceClass}: ${text}`);
  }
  if (amount === 0) resources.delete(resourceClass);
  else resources.set(resourceClass, amount);
}

function ownResources(flavor: NovaFlavor): Map<string, number> {
  const { vcpus, memoryMb, diskGb, extraSpecs, name } = flavor;
  const policy = extraSpecs.get("hw:cpu_policy");
  const dedicated =
    policy === "dedicated" ? vcpus : policy === "mixed" ? dedicatedOf(flavor, name) : 0;
  // The emulator's threads get a processor of their own.
  const isolated =
    dedicated > 0 && extraSpecs.get("hw:emulator_threads_policy") === "isolate" ? 1 : 0;
  const amounts: [string, number][] = [
    ["VCPU", vcpus - dedicated],
    ["PCPU", dedicated + isolated],
    ["MEMORY_MB", memoryMb],
    ["DISK_GB", diskGb],
  ];
  return new Map(amounts.filter(([, amount]) => amount > 0));
}

/** Of mixed processors, those in the mask: `0-3,^1`, or all but some, `^0-1`. */
function dedicatedOf({ extraSpecs, vcpus }: NovaFlavor, name: string): number {
  const mask = extraSpecs.get("hw:cpu_dedicated_mask") ?? extraSpecs.get("hw:cpu_realtime_mask");
  if (mask === undefined)
    throw new UnreadableFlavor(`the flavor ${name} has no hw:cpu_dedicated_mask`);
  const included = new Set<number>();
  const excluded = new Set<number>();
  for (const part of mask.split(",").map((it) => it.trim())) {
    const [, not, from, to = from] = /^(\^?)(\d{1,6})(?:-(\d{1,6}))?$/.exec(part) ?? [];
    if (from === undefined) throw new UnreadableFlavor(`the flavor ${name} has no mask: ${mask}`);
    for (let cpu = Number(from); cpu <= Math.min(Number(to), vcpus - 1); cpu++) {
      (not === "^" ? excluded : included).add(cpu);
    }
  }
  const isAllBut = mask.trim().startsWith("^");
  const all = isAllBut ? new Set(Array.from({ length: vcpus }, (_, cpu) => cpu)) : included;
  return all.difference(excluded).size;
}

function hardwareResources({ extraSpecs }: NovaFlavor): Map<string, number> {
  const amounts = new Map<string, number>();
  if (isTrue(extraSpecs.get("hw:mem_encryption"))) amounts.set("MEM_ENCRYPTION_CONTEXT", 1);
  for (const label of extraSpecs.get("hw:pmem")?.split(",") ?? []) {
    const resourceClass = `CUSTOM_PMEM_NAMESPACE_${label.trim().toUpperCase()}`;
    amounts.set(resourceClass, (amounts.get(resourceClass) ?? 0) + 1);
  }
  return amounts;
}

function hardwareTraits(extraSpecs: ReadonlyMap<string, string>): string[] {
  const traits: string[] = [];
  const threads = extraSpecs.get("hw:cpu_thread_policy");
  if (threads === "require") traits.push("HW_CPU_HYPERTHREADING");
  if (threads === "isolate") traits.push("!HW_CPU_HYPERTHREADING");
  if (extraSpecs.get("os:secure_boot") === "required") {
    traits.push("COMPUTE_SECURITY_UEFI_SECURE_BOOT");
  }
  const tpm = extraSpecs.get("hw:tpm_version");
  if (tpm !== undefined) traits.push(`COMPUTE_SECURITY_TPM_${tpm.replace(".", "_")}`);
  return traits;
}

function isTrue(text: string | undefined): boolean {
  return /^(1|t|true|on|y|yes)$/i.test(text ?? "");
}

function writeQuery(groups: ReadonlyMap<string, Group>, policy: string | undefined): string {
  const parameters: [string, string][] = [];
  for (const [suffix, { resources, traits }] of groups) {
    const amounts = Array.from(resources, ([name, amount]) => `${name}:${amount}`);
    // A flavor may ask for nothing but what its groups say.
    if (suffix === "" && amounts.length === 0) continue;
    if (amounts.length > 0) parameters.push([`resources${suffix}`, amounts.join(",")]);
    if (traits.length > 0) parameters.push([`required${suffix}`, [...new Set(traits)].join(",")]);
  }
  const suffixes = [...groups.keys()].filter((suffix) => suffix !== "");
  if (policy !== undefined || suffixes.length > 1) {
    parameters.push(["group_policy", policy === "isolate" ? "isolate" : "none"]);
  }
  return parameters.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
}
