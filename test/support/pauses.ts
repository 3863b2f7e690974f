import { onTestFinished, vi } from "vitest";

/** Has what is repeated done again at once for the rest of a test: the pauses before it are random. */
export function repeatAtOnce(): void {
  const random = vi.spyOn(Math, "random").mockReturnValue(0);
  onTestFinished(() => random.mockRestore());
}
