/** How much of one resource class of a provider a consumer has claimed, as told of one of the two. */
export interface Allocation {
  readonly id: number;
  /** Of the other one: of the provider where it is told of a consumer, and the other way round. */
  readonly uuid: string;
  readonly generation: number;
  readonly resourceClassId: number;
  readonly used: number;
}

/** How much of one resource class is used by some set of consumers. */
export interface Usage {
  readonly resourceClassId: number;
  readonly used: number;
}
