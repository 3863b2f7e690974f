import type { Attacker } from "./attacker.ts";
import type { Attack } from "./attacks.ts";

/** Of the tree that {@link Victim}'s fleet has besides its hosts; each has a little more than the last. */
export const DEVICES = 16;
export const DEVICE_SIZE = 900;

function many(count: number, parameter: (at: number) => string): string {
  return Array.from({ length: count }, (_, at) => parameter(at)).join("&");
}

function candidates(name: string, query: string, ask = askOnce): Attack {
  return { name, run: (attacker) => ask(attacker, `/allocation_candidates?${query}`) };
}

function askOnce(attacker: Attacker, path: string): Promise<string> {
  return attacker.send(attacker.request("GET", path));
}

function askFiftyTimes(attacker: Attacker, path: string): Promise<string> {
  return attacker.sendMany(50, attacker.request("GET", path), 10_000);
}

const uuid = (at: number) => `a0000000-0000-4000-8000-${String(at).padStart(12, "0")}`;

/** Two of the large amounts fill a device, and the place that is left beside the last takes one small one. */
const ENDLESS = [
  many(2 * DEVICES - 1, (at) => `resources_L${at}=CUSTOM_DEVICE:${400 + at}`),
  "resources_S1=CUSTOM_DEVICE:300&resources_S2=CUSTOM_DEVICE:301&group_policy=none",
].join("&");

/** What a query may cost, and a search. */
export const QUERY_ATTACKS: readonly Attack[] = [
  candidates("5,800 x required=A", `resources=VCPU:1&${many(5800, () => "required=A")}`),
  candidates(
    "3,000 x required=CUSTOM_T1",
    `resources=VCPU:1&${many(3000, () => "required=CUSTOM_T1")}`,
  ),
  candidates(
    "3,000 groups",
    `group_policy=none&${many(3000, (at) => `resources${at + 1}=VCPU:1`)}`,
  ),
  candidates(
    "1,100 x member_of",
    `resources=VCPU:1&${many(1100, (at) => `member_of=${uuid(at)}`)}`,
  ),
  candidates(
    "33 groups, 16 devices that take two each",
    `group_policy=none&${many(33, (at) => `resources${at + 1}=CUSTOM_DEVICE:${420 + at}`)}`,
  ),
  candidates("50 searches without an end, 10 s", ENDLESS, askFiftyTimes),
  { name: "GET /resource_providers, all", run: (it) => askOnce(it, "/resource_providers") },
  {
    name: "GET /resource_providers, filtered, 50 at once",
    run: (it) => askFiftyTimes(it, "/resource_providers?resources=VCPU:1"),
  },
];
