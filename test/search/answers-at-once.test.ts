import { afterAll, beforeAll, expect, test } from "vitest";

import { makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";

const PROVIDERS = 60;

let stowage: LocalStowage;

beforeAll(async () => {
  stowage = await startHere();
  for (let number = 0; number < PROVIDERS; number += 1) {
    await makeProvider(stowage.client, providerUuid(number), { VCPU: 64, MEMORY_MB: 4096 });
  }
});

afterAll(() => stowage.stop());

test("answers that are written at once, in memory that is used again, do not mix", async () => {
  const paths = Array.from(
    { length: 40 },
    (_, amount) => `/allocation_candidates?resources=VCPU:${amount + 1},MEMORY_MB:512`,
  );
  const alone: string[] = [];
  for (const path of paths) alone.push((await stowage.client.get(path)).text);

  for (let round = 0; round < 5; round += 1) {
    const together = await Promise.all(paths.map((path) => stowage.client.get(path)));
    expect(together.map(({ text }) => text)).toEqual(alone);
  }
});
