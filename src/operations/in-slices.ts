import { CandidatesOutdated } from "../domain/errors.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { SLICE_MS } from "../scheduling/pace.ts";
import { turns } from "./turns.ts";

interface SliceTerms {
  /** Aborted when nobody waits for the result any more. */
  readonly signal?: AbortSignal;
  /** Called each time that the work pauses. */
  readonly onPause?: () => void;
  /** Called when the first slice was not enough; returns what is to be called at the end. */
  readonly enter?: () => () => void;
}

/**
 * Does work on the read model as it is now, which pauses often, in slices with the turns of others in between.
 * Most is done with the first one; only what is not keeps a view open.
 *
 * @throws CandidatesOutdated so much has changed that the view is gone, or nobody waits any more
 */
export async function inSlices<Result>(
  index: ProviderIndex,
  client: string,
  work: Iterator<void, Result>,
  { signal, onPause = () => {}, enter = () => () => {} }: SliceTerms = {},
): Promise<Result> {
  const slice = () => {
    const endsAtMs = performance.now() + SLICE_MS;
    for (;;) {
      const step = work.next();
      if (step.done) return step;
      onPause();
      if (performance.now() >= endsAtMs) return step;
    }
  };
  let step = turns.begin(slice);
  if (step.done) return step.value;
  const view = index.openView();
  try {
    const leave = enter();
    try {
      while (!step.done) {
        step = await turns.goOn(client, () => {
          if (signal?.aborted || !view.isOpen) throw new CandidatesOutdated();
          return slice();
        });
      }
      return step.value;
    } finally {
      leave();
    }
  } finally {
    view.close();
  }
}
