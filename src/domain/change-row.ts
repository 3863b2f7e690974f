/** All that the change feed has of a change, for whoever tells it outside. */
export interface ChangeRow {
  readonly id: number;
  /** `null` where it cannot be read. */
  readonly createdAt: Date | null;
  readonly kind: string;
  /** Of the provider that changed. */
  readonly providerId: number | null;
  readonly subject: string;
  readonly requestId: string;
  readonly userId: string | null;
  readonly projectId: string | null;
  /** See `readDetails`. */
  readonly details: string | null;
}
