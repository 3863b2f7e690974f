import { getAggregates, setAggregates } from "./aggregates/handlers.ts";
import { listAllocationCandidates } from "./allocation-candidates/handlers.ts";
import {
  deleteAllocations,
  listAllocationsOfConsumer,
  listAllocationsOfProvider,
  setAllocations,
  setAllocationsOfConsumer,
} from "./allocations/handlers.ts";
import {
  createInventory,
  deleteInventories,
  deleteInventory,
  getInventories,
  getInventory,
  setInventories,
  updateInventory,
} from "./inventories/handlers.ts";
import { reshape } from "./reshaper/handlers.ts";
import {
  createResourceClass,
  deleteResourceClass,
  getResourceClass,
  listResourceClasses,
  updateResourceClass,
} from "./resource-classes/handlers.ts";
import {
  createResourceProvider,
  deleteResourceProvider,
  getResourceProvider,
  listResourceProviders,
  updateResourceProvider,
} from "./resource-providers/handlers.ts";
import { getRoot } from "./root/handlers.ts";
import type { Feature } from "../microversions.ts";
import type { Handler, Route, RouteTable } from "../route.ts";
import {
  deleteTrait,
  deleteTraitsOfProvider,
  getTrait,
  listTraits,
  listTraitsOfProvider,
  putTrait,
  setTraitsOfProvider,
} from "./traits/handlers.ts";
import { getTotalUsages, getUsagesOfProvider } from "./usages/handlers.ts";

const JSON_ONLY = ["application/json"];

/** The front door: every path and method of Placement's API with the function that answers it. */
export const PLACEMENT_ROUTES: RouteTable = {
  "/": { GET: { ...answers(getRoot), isPublic: true } },

  "/resource_classes": {
    GET: shows(listResourceClasses, "resourceClasses"),
    POST: takes(createResourceClass, "resourceClasses"),
  },
  "/resource_classes/{name}": {
    GET: shows(getResourceClass, "resourceClasses"),
    PUT: answers(updateResourceClass, "resourceClasses"),
    DELETE: answers(deleteResourceClass, "resourceClasses"),
  },

  "/resource_providers": {
    GET: shows(listResourceProviders),
    POST: takes(createResourceProvider),
  },
  "/resource_providers/{uuid}": {
    GET: shows(getResourceProvider),
    DELETE: answers(deleteResourceProvider),
    PUT: takes(updateResourceProvider),
  },
  "/resource_providers/{uuid}/inventories": {
    GET: shows(getInventories),
    POST: takes(createInventory),
    PUT: takes(setInventories),
    DELETE: { handler: deleteInventories, since: "deleteInventories", statusBefore: 405 },
  },
  "/resource_providers/{uuid}/inventories/{resource_class}": {
    GET: shows(getInventory),
    PUT: takes(updateInventory),
    DELETE: answers(deleteInventory),
  },
  "/resource_providers/{uuid}/usages": { GET: shows(getUsagesOfProvider) },
  "/resource_providers/{uuid}/aggregates": {
    GET: shows(getAggregates, "aggregates"),
    PUT: takes(setAggregates, "aggregates"),
  },
  "/resource_providers/{uuid}/allocations": { GET: shows(listAllocationsOfProvider) },
  "/resource_providers/{uuid}/traits": {
    GET: shows(listTraitsOfProvider, "traits"),
    PUT: takes(setTraitsOfProvider, "traits"),
    DELETE: answers(deleteTraitsOfProvider, "traits"),
  },

  "/allocations": { POST: takesMuch(setAllocations, "postAllocations") },
  "/allocations/{consumer_uuid}": {
    GET: shows(listAllocationsOfConsumer),
    PUT: takes(setAllocationsOfConsumer),
    DELETE: answers(deleteAllocations),
  },
  "/allocation_candidates": { GET: shows(listAllocationCandidates, "allocationCandidates") },

  "/traits": { GET: shows(listTraits, "traits") },
  "/traits/{name}": {
    GET: answers(getTrait, "traits"),
    PUT: answers(putTrait, "traits"),
    DELETE: answers(deleteTrait, "traits"),
  },

  "/usages": { GET: shows(getTotalUsages, "totalUsages") },
  "/reshaper": { POST: takesMuch(reshape, "reshaper") },
};

/** A method that answers with a JSON document. */
function shows(handler: Handler, since: Feature = "initial"): Route {
  return { handler, since, produces: JSON_ONLY };
}

/** A method that takes a JSON document. */
function takes(handler: Handler, since: Feature = "initial"): Route {
  return { handler, since, consumes: JSON_ONLY };
}

/** The same about many consumers or providers at once. */
function takesMuch(handler: Handler, since: Feature): Route {
  return { ...takes(handler, since), takesMuch: true };
}

/** A method that cares for no media type. */
function answers(handler: Handler, since: Feature = "initial"): Route {
  return { handler, since };
}
