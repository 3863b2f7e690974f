import { vi } from "vitest";

import type { Service } from "../../src/operations/service.ts";
import { consumerUuid } from "./fleet.ts";

const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };

/** So many that what came before them is settled when it can be. */
export async function recordManyChanges(service: Service): Promise<void> {
  await service.write(CONTEXT, async (tx) => {
    for (let number = 0; number < 500; number += 1) {
      tx.recordChange({ kind: "consumer", subject: consumerUuid(number) });
    }
  });
}

/**
 * Does something over and over, once in each second as the service believes, until it returns true or
 * the seconds are over.
 */
export async function eachSecond(seconds: number, act: () => Promise<boolean>): Promise<void> {
  const clock = vi.spyOn(performance, "now");
  try {
    for (let second = 0; second < seconds; second += 1) {
      clock.mockReturnValue(performance.now() + 1000);
      if (await act()) return;
      // What goes on in the background takes its time, whatever the clock says.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } finally {
    clock.mockRestore();
  }
}
