/** What is told about each provider that could take part in an allocation candidate. */
export interface ProviderSummary {
  readonly uuid: string;
  readonly parentUuid: string | null;
  readonly rootUuid: string;
  /** In ascending order of the classes' ids. */
  readonly resources: readonly ResourceSummary[];
  /** Names in ascending order of their ids. */
  readonly traits: readonly string[];
}

interface ResourceSummary {
  readonly resourceClass: string;
  /** How much can be allocated in all; see `capacityOf`. */
  readonly capacity: number;
  readonly used: number;
}
