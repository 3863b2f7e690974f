/** A provider of resources: a compute node, a NUMA cell, a device, a storage pool, an IP pool. */
export interface ResourceProvider {
  /** Internal id. */
  readonly id: number;
  readonly uuid: string;
  readonly name: string;
  /** The optimistic counter: every change of what the provider offers or has claimed raises it. */
  readonly generation: number;
  readonly parentId: number | null;
  readonly parentProviderUuid: string | null;
  readonly rootId: number;
  readonly rootProviderUuid: string;
  readonly createdAt: Date | null;
  readonly updatedAt: Date | null;
}
