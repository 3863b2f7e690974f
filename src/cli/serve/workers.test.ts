import { expect, test } from "vitest";

import { defaultConfig } from "../../config/config.ts";
import { checkDatabaseTakesWorkers, restartDelayMs } from "./workers.ts";

test("a worker that dies again and again is started ever later, up to every 30 s", () => {
  const delays = Array.from({ length: 10 }, (_, deaths) => restartDelayMs(deaths));
  expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  expect(restartDelayMs(100_000)).toBe(30_000);
});

test("several workers are for database servers", () => {
  const config = (connection: string, workers: number) =>
    defaultConfig({ placementDatabase: { connection }, stowage: { workers } });
  expect(() => checkDatabaseTakesWorkers(config("sqlite:////p.sqlite", 2))).toThrow(/workers = 2/);
  for (const usable of [
    config("sqlite:////p.sqlite", 1),
    config("postgresql://db/placement", 2),
    config("mysql+pymysql://db/placement", 2),
  ]) {
    expect(() => checkDatabaseTakesWorkers(usable)).not.toThrow();
  }
});
