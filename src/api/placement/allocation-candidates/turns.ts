const waiting: (() => void)[] = [];

/**
 * Waits for a turn to do a slice of work. One turn is given in each round of the event loop: twenty
 * long answers do not hold everybody else up twenty times as long as one does.
 */
export function nextTurn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  waiting.push(resolve);
  if (waiting.length === 1) setImmediate(giveTurn);
  return promise;
}

function giveTurn(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(giveTurn);
}
