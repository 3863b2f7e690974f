import {
  ConcurrentUpdateDetected,
  InvalidInventory,
  InventoryInUse,
  NotFound,
  ProviderGenerationConflict,
  ResourceProviderNotFound,
} from "../../../domain/errors.ts";
import type { ConsumerClaim, InventoriesClaim } from "../../../domain/claim.ts";
import { canonicalUuid } from "../../../domain/uuid.ts";
import { claim } from "../../../operations/allocations.ts";
import { whenConsumersAreWrong } from "../allocations/handlers.ts";
import { readConsumerClaims, toConsumerClaims } from "../allocations/read-claim.ts";
import {
  defineVersions,
  manyAllocationsDocument,
  type ManyAllocationsBody,
} from "../allocations/schemas.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { badRequest, conflict } from "../../http-error.ts";
import {
  INVENTORIES_DOCUMENT,
  toInventories,
  type InventoriesBody,
} from "../inventories/schemas.ts";
import { UUID_PATTERN } from "../../patterns.ts";
import { noteIfRefused } from "../../refusals.ts";
import type { ApiRequest } from "../../request.ts";
import { empty, type ApiResponse } from "../../response.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { JsonCursor, readMuch } from "../../validation/json-cursor.ts";
import type { Schema } from "../../validation/schema.ts";

interface ReshaperBody {
  readonly inventories: Readonly<Record<string, InventoriesBody>>;
  readonly allocations: ManyAllocationsBody;
}

const schemaOf = defineVersions<ReshaperBody>((document) => ({
  type: "object",
  properties: {
    inventories: {
      type: "object",
      patternProperties: { [UUID_PATTERN]: INVENTORIES_DOCUMENT },
      minProperties: 1,
      additionalProperties: false,
    },
    allocations: manyAllocationsDocument(document, 0),
  },
  required: ["inventories", "allocations"],
  additionalProperties: false,
}));

/** What a reshape sets and claims. */
interface Changes {
  readonly inventories: readonly InventoriesClaim[];
  readonly consumers: readonly ConsumerClaim[];
}

function toChanges({ inventories, allocations }: ReshaperBody): Changes {
  return {
    inventories: toInventoriesClaims(inventories),
    consumers: toConsumerClaims(allocations),
  };
}

function toInventoriesClaims(inventories: ReshaperBody["inventories"]): InventoriesClaim[] {
  return Object.entries(inventories).map(([uuid, provider]) => ({
    providerUuid: canonicalUuid(uuid),
    generation: provider.resource_provider_generation,
    inventories: toInventories(provider),
  }));
}

/** Stands in for the inventories where a member of the allocations is validated. */
const SOME_INVENTORIES = {
  "00000000-0000-0000-0000-000000000000": { resource_provider_generation: 0, inventories: {} },
};

/** The changes of a large body, provider by provider and consumer by consumer. */
async function readChanges(cursor: JsonCursor, schema: Schema<ReshaperBody>): Promise<Changes> {
  // Of several equal keys the last one counts, as Python has it.
  const inventories = new Map<string, InventoriesClaim>();
  let consumers: readonly ConsumerClaim[] | undefined;
  for await (const part of cursor.members()) {
    if (part === "inventories") {
      inventories.clear();
      for await (const uuid of cursor.members()) {
        const member = { [uuid]: cursor.value() };
        const valid = schema.validate({ inventories: member, allocations: {} });
        for (const change of toInventoriesClaims(valid.inventories)) inventories.set(uuid, change);
      }
    } else if (part === "allocations") {
      consumers = await readConsumerClaims(cursor, (member) => {
        const body = { inventories: SOME_INVENTORIES, allocations: member };
        return schema.validate(body).allocations;
      });
    } else {
      schema.validate({ inventories: SOME_INVENTORIES, allocations: {}, [part]: cursor.value() });
    }
  }
  cursor.end();
  if (!consumers) throw badRequest("JSON does not validate: 'allocations' is a required property");
  if (inventories.size === 0) schema.validate({ inventories: {}, allocations: {} });
  return { inventories: [...inventories.values()], consumers };
}

/** By itself, so that nothing keeps the body while the changes wait to be written. */
async function readBody(request: ApiRequest): Promise<Changes> {
  const schema = schemaOf(request);
  const body = await readMuch(request);
  return body instanceof JsonCursor ? readChanges(body, schema) : toChanges(schema.validate(body));
}

/** Moves inventories between providers together with the allocations on them, all at once. */
export async function reshape(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:reshaper:reshape");
  const { inventories, consumers } = await readBody(request);
  noteIfRefused(request, consumers);
  await translatingErrors(
    claim(request.service, { context: request.context, consumers, inventories }),
    [
      ...whenConsumersAreWrong(),
      when(ResourceProviderNotFound, (error) =>
        badRequest(
          `Resource provider ${error.uuid} in inventories not found: ${error.message}`,
          ERROR_CODES.resourceProviderNotFound,
        ),
      ),
      when(ProviderGenerationConflict, (error) =>
        conflict(error.message, ERROR_CODES.concurrentUpdate),
      ),
      when(ConcurrentUpdateDetected, (error) =>
        conflict(`update conflict: ${error.message}`, ERROR_CODES.concurrentUpdate),
      ),
      when(NotFound, (error) => badRequest(`malformed reshaper data: ${error.message}`)),
      when(InventoryInUse, (error) =>
        conflict(`update conflict: ${error.message}`, ERROR_CODES.inventoryInUse),
      ),
      when(InvalidInventory, (error) => conflict(`Unable to allocate inventory: ${error.message}`)),
    ],
  );
  return empty(204);
}
