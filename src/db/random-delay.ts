interface DelayLimits {
  readonly unitMs: number;
  readonly mostMs: number;
}

/**
 * How long to wait before another attempt: twice as long at most from attempt to attempt, and random,
 * so that two that conflict do not meet again.
 *
 * @param attempt counts from 1
 */
export function randomDelayMs(attempt: number, { unitMs, mostMs }: DelayLimits): number {
  return Math.random() * Math.min(unitMs * 2 ** attempt, mostMs);
}
