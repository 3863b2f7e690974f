import { whyNot } from "../claims/lease-renewals.ts";
import { findGrants, findWholeGrants, giveLeaseUp } from "../db/grants.ts";
import type { DatabaseContext } from "../db/change.ts";
import { ConcurrentUpdateDetected } from "../domain/errors.ts";
import type { Lease } from "../domain/lease.ts";
import { canonicalUuid } from "../domain/uuid.ts";
import type { Service } from "./service.ts";

/** @throws LeaseNotFound, LeaseLost */
export async function getLease(
  service: Service,
  context: DatabaseContext,
  uuid: string,
): Promise<Lease> {
  const stored = storedConsumer(service, uuid);
  const [grant] = await service.database.readOnce(context, (tx) => findGrants(tx, [stored]));
  const problem = whyNot(grant, uuid);
  if (problem) throw problem;
  return { seconds: grant!.leaseSeconds!, expiresAt: grant!.expiresAt! };
}

/**
 * Has the lease of a consumer go on for so long from now, and with it that of its gang. One that has ended goes
 * on as well, as long as nothing was taken back: then nobody else has it.
 *
 * @throws LeaseNotFound, LeaseLost
 */
export function renewLease(
  service: Service,
  context: DatabaseContext,
  uuid: string,
  seconds: number,
): Promise<Lease> {
  return service.leases.renew(context, storedConsumer(service, uuid), seconds);
}

/**
 * Has a consumer, and its gang, hold for good what was granted for a time.
 *
 * @throws LeaseNotFound, LeaseLost
 */
export async function keepForGood(
  service: Service,
  context: DatabaseContext,
  uuid: string,
): Promise<void> {
  const stored = storedConsumer(service, uuid);
  for (let look = 1; look <= MAX_LOOKS; look += 1) {
    const isKept = await service.database.writer(context, async (tx) => {
      const grants = await findWholeGrants(tx, [stored]);
      const grant = grants.find(({ consumerUuid }) => consumerUuid === stored);
      const problem = whyNot(grant, uuid);
      if (problem) throw problem;
      const live = grants.filter(({ hasEnded }) => !hasEnded);
      return (await giveLeaseUp(tx, grant!.grantUuid)) === live.length;
    });
    if (isKept) return;
  }
  throw new ConcurrentUpdateDetected();
}

/** How often is looked again, where leases ended between the look and the change. */
const MAX_LOOKS = 10;

function storedConsumer(service: Service, uuid: string): string {
  return service.storedConsumer(canonicalUuid(uuid));
}
