/** How much of one resource class of one provider a consumer has claimed. */
export interface Allocation {
  readonly id: number;
  readonly resourceProviderId: number;
  readonly resourceProviderUuid: string;
  readonly resourceProviderGeneration: number;
  readonly consumerUuid: string;
  readonly consumerGeneration: number;
  readonly resourceClassId: number;
  readonly used: number;
}

/** How much of one resource class is used by some set of consumers. */
export interface Usage {
  readonly resourceClassId: number;
  readonly used: number;
}
