import { OperatorError } from "../config/operator-error.ts";
import type { InventoryRefusal, Refusal } from "./refusal.ts";

/**
 * What can go wrong in the field, as values that carry the facts.
 *
 * The messages are part of the contract: clients match on some of them, and upstream's functional
 * suite on most. What HTTP status they become is decided by the API.
 */

/** Everything below: an outcome that the rules foresee, as opposed to a defect. */
export abstract class PlacementError extends Error {
  /** The facts behind it, where something was refused for what is stored. */
  readonly refusal: Refusal | undefined;

  constructor(message: string, refusal?: Refusal) {
    super(message);
    this.refusal = refusal;
  }

  override get name(): string {
    return this.constructor.name;
  }
}

/** Something that was named does not exist. */
export class NotFound extends PlacementError {}

/** Something that was to be created exists already. */
export class Exists extends PlacementError {}

/** Someone else changed what this change was based on. */
export class ConcurrentUpdateDetected extends PlacementError {
  constructor(
    message = "Another thread concurrently updated the data. Please retry your update",
    refusal?: Refusal,
  ) {
    super(message, refusal);
  }
}

/** The generation of a resource provider is not the one that the change was based on. */
export class ResourceProviderConcurrentUpdateDetected extends ConcurrentUpdateDetected {
  constructor(refusal?: Refusal) {
    super(
      "Another thread concurrently updated the resource provider data. Please retry your update",
      refusal,
    );
  }
}

/** A request that makes no sense for the object in its present state. */
export class ObjectActionError extends PlacementError {
  constructor(action: string, reason: string) {
    super(`Object action ${action} failed because: ${reason}`);
  }
}

export class ResourceProviderNotFound extends NotFound {
  readonly uuid: string;

  constructor(uuid: string) {
    super(`No resource provider with uuid ${uuid} found`);
    this.uuid = uuid;
  }
}

/** A provider that still has allocations cannot be deleted. */
export class ResourceProviderInUse extends PlacementError {
  constructor() {
    super("Resource provider has allocations.");
  }
}

export class CannotDeleteParentResourceProvider extends PlacementError {
  constructor() {
    super(
      "Cannot delete resource provider that is a parent of another. Delete child providers first.",
    );
  }
}

/** A provider with the same UUID or name exists. */
export class ResourceProviderExists extends Exists {
  /** Which of its attributes collide. */
  readonly attributes: readonly ("uuid" | "name")[];

  constructor(attributes: readonly ("uuid" | "name")[]) {
    super(`Resource provider exists: ${attributes.join(", ")}`);
    this.attributes = attributes;
  }
}

export class ResourceClassNotFound extends NotFound {
  constructor(name: string) {
    super(`No such resource class ${name}.`);
  }
}

export class ResourceClassExists extends Exists {
  constructor(name: string) {
    super(`Resource class ${name} already exists.`);
  }
}

export class ResourceClassCannotDeleteStandard extends PlacementError {
  constructor(name: string) {
    super(`Cannot delete standard resource class ${name}.`);
  }
}

export class ResourceClassCannotUpdateStandard extends PlacementError {
  constructor(name: string) {
    super(`Cannot update standard resource class ${name}.`);
  }
}

export class ResourceClassInUse extends PlacementError {
  constructor(name: string) {
    super(`Cannot delete resource class ${name}. Class is in use in inventory.`);
  }
}

export class TraitNotFound extends NotFound {
  /** May list several, separated by commas. */
  readonly traitName: string;

  constructor(name: string) {
    super(`No such trait(s): ${name}.`);
    this.traitName = name;
  }
}

export class TraitCannotDeleteStandard extends PlacementError {
  constructor(name: string) {
    super(`Cannot delete standard trait ${name}.`);
  }
}

export class TraitInUse extends PlacementError {
  constructor(name: string) {
    super(`The trait ${name} is in use by a resource provider.`);
  }
}

/** An inventory does not allow what was asked of it, or is not there. */
export class InvalidInventory extends PlacementError {}

/** Providers have nothing of what is asked of them; all are named at once. */
export class NoInventory extends InvalidInventory {
  constructor(resourceClasses: readonly string[], providers: readonly string[]) {
    super(
      `Inventory for '${resourceClasses.join(", ")}' on resource provider ` +
        `'${providers.join(", ")}' invalid.`,
      { reason: "no_inventory", resourceClasses, providers },
    );
  }
}

export class InvalidAllocationCapacityExceeded extends InvalidInventory {
  constructor(facts: Omit<InventoryRefusal, "reason">) {
    super(`${unableToAllocate(facts)} The requested amount would exceed the capacity.`, {
      ...facts,
      reason: "out_of_capacity",
    });
  }
}

/** min_unit, max_unit or step_size. */
export class InvalidAllocationConstraintsViolated extends InvalidInventory {
  constructor(facts: Omit<InventoryRefusal, "reason">) {
    super(`${unableToAllocate(facts)} The requested amount would violate inventory constraints.`, {
      ...facts,
      reason: "units",
    });
  }
}

function unableToAllocate({ resourceClass, provider }: Omit<InventoryRefusal, "reason">): string {
  return `Unable to create allocation for '${resourceClass}' on resource provider '${provider.uuid}'.`;
}

/** More is reserved than there is; `canBeTotal` tells whether all of it may be (since 1.26). */
export class InvalidInventoryCapacity extends InvalidInventory {
  constructor(resourceClass: string, provider: string, canBeTotal: boolean) {
    super(
      `Invalid inventory for '${resourceClass}' on resource provider '${provider}'. ` +
        `The reserved value is greater than ${canBeTotal ? "" : "or equal to "}total.`,
    );
  }
}

/** Nova matches this text to tell an inventory in use from other conflicts. */
export class InventoryInUse extends InvalidInventory {
  constructor(resourceClasses: readonly string[], provider: string) {
    super(
      `Inventory for '${resourceClasses.join(", ")}' on resource provider '${provider}' in use.`,
      { reason: "inventory_in_use", resourceClasses, providers: [provider] },
    );
  }
}

export class InventoryWithResourceClassNotFound extends NotFound {
  constructor(resourceClass: string) {
    super(`No inventory of class ${resourceClass} found.`);
  }
}

/**
 * A project or user that the database cannot keep apart from another one: MySQL compares neither case nor
 * accents.
 */
export class ExternalIdentityTaken extends Exists {
  constructor(table: "projects" | "users", externalId: string, other: string) {
    const [what, name] = table === "projects" ? ["project", "project_id"] : ["user", "user_id"];
    super(
      `The database takes the ${name} '${externalId}' for that of another ${what}, '${other}': ` +
        "it compares neither case nor accents.",
    );
  }
}

export class ConsumerNotFound extends NotFound {
  constructor(uuid: string) {
    super(`No such consumer(s): ${uuid}.`);
  }
}

export class ConsumerExists extends Exists {
  constructor(uuid: string) {
    super(`The consumer ${uuid} already exists.`);
  }
}

/** The request names a consumer generation that is not the present one. */
export class ConsumerGenerationConflict extends PlacementError {
  /** `undefined` stands for a consumer that does not exist, `null` for a client that says so. */
  constructor(consumer: string, expected: number | undefined, given: number | null) {
    super(
      "consumer generation conflict - " +
        `expected ${expected ?? "null"} but got ${given ?? "None"}`,
      { reason: "consumer_generation", consumer, given, actual: expected ?? null },
    );
  }
}

/** A claim names a provider that does not exist. */
export class AllocationForUnknownProvider extends PlacementError {
  constructor(providerUuid: string) {
    super(`Allocation for resource provider '${providerUuid}' that does not exist.`, {
      reason: "unknown_provider",
      provider: providerUuid,
    });
  }
}

/** A consumer whose allocations are to be removed has none. */
export class NoAllocationsForConsumer extends NotFound {
  constructor(consumerUuid: string) {
    super(`No allocations for consumer '${consumerUuid}'`);
  }
}

/** A request names a generation of a provider that is not the present one. */
export class ProviderGenerationConflict extends PlacementError {
  readonly provider: string;
  readonly actual: number;

  constructor(provider: string, actual: number, given: number) {
    super(
      `resource provider generation conflict for provider ${provider}: ` +
        `actual: ${actual}, given: ${given}`,
      { reason: "provider_generation", provider, actual, given },
    );
    this.provider = provider;
    this.actual = actual;
  }
}

/** Too much has changed since a search began: what it saw is not kept any longer. */
export class CandidatesOutdated extends PlacementError {
  constructor() {
    super("Too many resource providers were changed while the allocation candidates were listed.");
  }
}

/** Nothing is there by the UUID or name of the host that is to be explained. */
export class HostNotFound extends PlacementError {
  constructor(host: string) {
    super(`No resource provider has the UUID or the name ${host}.`);
  }
}

/** Nobody has noted what requests did not get: the database was never served by Stowage. */
export class RefusalsNotKept extends PlacementError {
  constructor() {
    super(
      "This database has no table stowage_refusals: Stowage has not served it, and nobody else notes " +
        "what requests did not get.",
    );
  }
}

/** A search for candidates has looked at as many providers as it may. */
export class SearchEffortExceeded extends PlacementError {
  constructor(maxEffort: number) {
    super(
      `The search for allocation candidates was given up after ${maxEffort} steps. ` +
        "Ask for less at once, or for fewer candidates.",
    );
  }
}

/** As many searches are under way as there may be. */
export class TooManySearches extends PlacementError {
  constructor() {
    super("Too many long searches for allocation candidates are under way.");
  }
}

/** A text is not one of a position. */
export class InvalidPosition extends PlacementError {
  constructor() {
    super("It is not a position: take one as an answer had it, unchanged");
  }
}

/** What follows a position of the change feed cannot be told any more. */
export class PositionGone extends PlacementError {
  /** The first position after which everything can be told, as a text. */
  readonly oldest: string;

  constructor(oldest: string) {
    super("The change feed no longer has what follows the position.");
    this.oldest = oldest;
  }
}

// What a database may answer instead. No error of a driver leaves `db`; those that only `db` and who works
// with it react to are in `db/errors.ts`.

/** A failure that is a defect of the program where nobody reacts to it. */
export abstract class DatabaseError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** A row with the same key exists. */
export class DuplicateEntry extends DatabaseError {
  /**
   * The name of the unique constraint, such as `uniq_resource_providers0name`, or
   * `<table>_pkey` for a primary key.
   */
  readonly constraint: string;

  constructor(constraint: string, cause: unknown) {
    super(`duplicate entry for ${constraint}`, { cause });
    this.constraint = constraint;
  }
}

/** A foreign key would point nowhere. */
export class ReferenceViolation extends DatabaseError {}

/** A text or number that the engine, or the character set of its tables, has no room for. */
export class UnstorableValue extends DatabaseError {}

/** Deadlock, lock time-out or serialization failure: repeating the transaction may succeed. */
export class TransactionConflict extends OperatorError {}

/** The database cannot be reached or does not take part: the request gets a 503. */
export class DatabaseUnavailable extends OperatorError {}

/** A commit was not answered, or not clearly: what was to be written may be there or not. */
export class CommitOutcomeUnknown extends DatabaseUnavailable {}
