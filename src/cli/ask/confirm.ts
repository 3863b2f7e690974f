import { createInterface } from "node:readline/promises";
import type { Readable } from "node:stream";

import type { Terminal } from "../terminal.ts";

/** Asks whoever sits at a terminal; anything but yes is no. */
export async function confirm(
  { input, problems }: Terminal & { readonly input: Readable },
  question: string,
): Promise<boolean> {
  const asking = createInterface({ input, output: problems });
  const answer = await asking.question(`${question} [y/N] `);
  asking.close();
  return /^y(es)?$/i.test(answer.trim());
}
