import { providerUuid } from "../../test/support/fleet.ts";
import type { Attack } from "./attacks.ts";
import { MUCH_CONSUMER, MUCH_PROJECT, SHARED_CLASS } from "./much.ts";

const HOST = `/resource_providers/${providerUuid(1)}`;

function read(name: string, path: string): Attack {
  return { name, hasMuch: true, run: (it) => it.whole(it.request("GET", path)) };
}

/** What a read may cost, where there is very much to read. */
export const READ_ATTACKS: readonly Attack[] = [
  read("GET /traits, 20,000 custom ones", "/traits"),
  read("GET /traits?associated=true, 20,000", "/traits?associated=true"),
  read("GET /traits?name=startswith:, 20,000", "/traits?name=startswith:CUSTOM_T"),
  read("GET /resource_classes, 20,000 custom ones", "/resource_classes"),
  read("GET …/inventories, 4,000", `${HOST}/inventories`),
  read("GET …/usages, 4,000", `${HOST}/usages`),
  read("GET …/traits, 20,000", `${HOST}/traits`),
  read("GET …/aggregates, 20,000", `${HOST}/aggregates`),
  read("GET …/allocations, 100,000 consumers", `${HOST}/allocations`),
  read("GET /usages, 100,000 consumers", `/usages?project_id=${MUCH_PROJECT}`),
  read("GET /allocations/…, 6,000", `/allocations/${MUCH_CONSUMER}`),
  read("GET /resource_providers, 52,000 not in order", "/resource_providers"),
  read(
    "20,000 sharing providers, 100 groups",
    `/allocation_candidates?group_policy=none&limit=1&${Array.from(
      { length: 100 },
      (_, at) => `resources${at + 1}=${SHARED_CLASS}:${at + 1}`,
    ).join("&")}`,
  ),
];
