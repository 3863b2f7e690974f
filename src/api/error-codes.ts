/**
 * The `code` of an error since microversion 1.23.
 *
 * Never change a value, never reuse one: clients compare them. A new condition gets a new code, a
 * line in docs/reference/errors.md, and nothing else.
 */
export const ERROR_CODES = {
  undefined: "placement.undefined_code",
  inventoryInUse: "placement.inventory.inuse",
  concurrentUpdate: "placement.concurrent_update",
  duplicateName: "placement.duplicate_name",
  providerInUse: "placement.resource_provider.inuse",
  providerCannotDeleteParent: "placement.resource_provider.cannot_delete_parent",
  resourceProviderNotFound: "placement.resource_provider.not_found",
  illegalDuplicateQueryParameter: "placement.query.duplicate_key",
  queryParameterBadValue: "placement.query.bad_value",
  queryParameterMissingValue: "placement.query.missing_value",
  searchEffortExceeded: "stowage.effort_exceeded",
  positionGone: "stowage.position_gone",
  historyGone: "stowage.history_gone",
  tooManySearches: "stowage.too_many_searches",
  tooLarge: "stowage.too_large",
  noCandidates: "stowage.no_candidates",
  outOfCapacity: "stowage.out_of_capacity",
  consumerExists: "stowage.consumer_exists",
  idempotencyKeyReused: "stowage.idempotency_key_reused",
  gangExists: "stowage.gang_exists",
  leaseLost: "stowage.lease_lost",
  idempotencyKeyInProgress: "stowage.idempotency_key_in_progress",
} as const;

export type ErrorCode = (typeof ERROR_CODES)[keyof typeof ERROR_CODES];
