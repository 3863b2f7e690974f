import { MAX_ALLOCATION_RATIO, MAX_INT, type InventoryAmounts } from "../../../domain/inventory.ts";
import { RESOURCE_CLASS_PATTERN } from "../../patterns.ts";
import { defineSchema } from "../../validation/schema.ts";

function integer(minimum: number) {
  return { type: "integer", maximum: MAX_INT, minimum };
}

const GENERATION = { type: "integer" } as const;

const AMOUNTS = {
  total: integer(1),
  reserved: integer(0),
  min_unit: integer(1),
  max_unit: integer(1),
  step_size: integer(1),
  allocation_ratio: { type: "number", maximum: MAX_ALLOCATION_RATIO },
} as const;

/** One inventory as a body has it; what is left out takes its default. */
interface InventoryBody {
  readonly total: number;
  readonly reserved?: number;
  readonly min_unit?: number;
  readonly max_unit?: number;
  readonly step_size?: number;
  readonly allocation_ratio?: number;
}

export const CREATE = defineSchema<InventoryBody & { readonly resource_class: string }>({
  type: "object",
  properties: {
    resource_provider_generation: GENERATION,
    ...AMOUNTS,
    resource_class: { type: "string", pattern: RESOURCE_CLASS_PATTERN },
  },
  required: ["total", "resource_class"],
  additionalProperties: false,
});

export const UPDATE = defineSchema<
  InventoryBody & { readonly resource_provider_generation: number }
>({
  type: "object",
  properties: { resource_provider_generation: GENERATION, ...AMOUNTS },
  required: ["total", "resource_provider_generation"],
  additionalProperties: false,
});

/** All inventories of a provider; also a part of the body of the reshaper. */
export interface InventoriesBody {
  readonly resource_provider_generation: number;
  readonly inventories: Readonly<Record<string, InventoryBody>>;
}

const ONE_OF_MANY = {
  type: "object",
  properties: { resource_provider_generation: GENERATION, ...AMOUNTS },
  required: ["total"],
  additionalProperties: false,
} as const;

export const INVENTORIES_DOCUMENT = {
  type: "object",
  properties: {
    resource_provider_generation: GENERATION,
    inventories: {
      type: "object",
      patternProperties: { [RESOURCE_CLASS_PATTERN]: ONE_OF_MANY },
      // Names of another form are looked up as well, and not found.
      additionalProperties: ONE_OF_MANY,
    },
  },
  required: ["resource_provider_generation", "inventories"],
  additionalProperties: false,
};

export const SET = defineSchema<InventoriesBody>(INVENTORIES_DOCUMENT);

export function toAmounts(body: InventoryBody): InventoryAmounts {
  return {
    total: body.total,
    reserved: body.reserved ?? 0,
    minUnit: body.min_unit ?? 1,
    maxUnit: body.max_unit ?? MAX_INT,
    stepSize: body.step_size ?? 1,
    allocationRatio: body.allocation_ratio ?? 1,
  };
}

export function toInventories({ inventories }: InventoriesBody): Map<string, InventoryAmounts> {
  return new Map(Object.entries(inventories).map(([name, body]) => [name, toAmounts(body)]));
}
