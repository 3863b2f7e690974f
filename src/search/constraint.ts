import type { OnBudget, Purse } from "./budget.ts";

/**
 * Something that a combination of providers must hold to, told about choices as they are made and
 * taken back, so that it can refuse one as soon as no complete combination can follow.
 */
export interface Constraint {
  /**
   * Whether any complete combination can hold to it, as far as can be told beforehand. To be asked first of all,
   * to the end: what takes long to be prepared is prepared by it.
   */
  canHold(purse: Purse): OnBudget<boolean>;
  /** Makes a choice; false, and nothing has changed, when it is refused. */
  push(depth: number, provider: number): boolean;
  /** Takes the last choice back. */
  pop(depth: number, provider: number): void;
  /** What tells a provider apart from others: two of one kind and one state are interchangeable. */
  kindOf(provider: number): string;
  /**
   * What the choices made so far mean for a provider in the choices still to be made: nothing, the empty
   * text, unless it is chosen or marked.
   */
  stateOf(depth: number, provider: number): string;
  /** A provider for which they mean something though it need not be chosen; -1 for none. */
  markedAt(depth: number): number;
  /** What else the choices made so far mean for those still to be made. */
  overallState(depth: number): string;
}
