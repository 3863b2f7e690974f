import type { GrantedConsumer } from "../db/grants.ts";
import type { Claim } from "../domain/claim.ts";
import { Steps } from "../scheduling/pace.ts";
import type { Judgement } from "./planned.ts";

/** When the lease ends that a claim asks for, if it begins now. */
export function endOfLease({ grant }: Claim, now: Date): Date | undefined {
  const seconds = grant?.leaseSeconds;
  return seconds === undefined ? undefined : new Date(now.getTime() + seconds * 1000);
}

/** The same, with when the lease ends that it is granted. */
export function withLease(judgement: Judgement, now: Date): Judgement {
  const { claim, outcome } = judgement;
  const expiresAt = endOfLease(claim, now);
  if (!expiresAt || outcome.kind === "refused" || !outcome.granted) return judgement;
  return { ...judgement, outcome: { ...outcome, granted: { ...outcome.granted, expiresAt } } };
}

/** What a batch changes of what consumers have besides allocations. */
interface ChangedGrants {
  /** UUIDs of consumers that are gone, also where there are new ones in their places. */
  readonly released: readonly string[];
  /** Those that are gone because their leases have ended, each claim's in the order of their UUIDs. */
  readonly expired: readonly {
    readonly consumers: readonly { readonly uuid: string; readonly id: number }[];
    readonly before: Date;
  }[];
  /** In the order of their UUIDs. */
  readonly granted: readonly GrantedConsumer[];
}

/** @param now when grants are made, by the clock of the database where any has a lease */
export function* grantsOf(
  judgements: readonly Judgement[],
  now: Date,
): Generator<void, ChangedGrants> {
  const steps = new Steps();
  const released = new Set<string>();
  const expired: ChangedGrants["expired"][number][] = [];
  const granted = new Map<string, GrantedConsumer>();
  for (const { claim, changes } of judgements) {
    const { grant, endsLease } = claim;
    const consumers: { readonly uuid: string; readonly id: number }[] = [];
    for (const [place, { was, now: after }] of (changes?.consumers ?? []).entries()) {
      const { uuid, stored } = was;
      if (after.generation === undefined) {
        granted.delete(uuid);
        if (endsLease && stored) consumers.push({ uuid, id: stored.id });
        else if (stored) released.add(uuid);
      } else if (grant) {
        const expiresAt = endOfLease(claim, now);
        granted.set(uuid, { uuid, grant, place, grantedAt: now, expiresAt });
      }
      if (steps.mayPause()) yield;
    }
    if (endsLease && changes) {
      expired.push({ before: endsLease.before, consumers: consumers.toSorted(byUuid) });
    }
  }
  return { released: [...released], expired, granted: [...granted.values()].toSorted(byUuid) };
}

function byUuid(left: { readonly uuid: string }, right: { readonly uuid: string }): number {
  return left.uuid < right.uuid ? -1 : 1;
}
