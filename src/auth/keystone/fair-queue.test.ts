import { setImmediate as nextRound } from "node:timers/promises";

import { expect, test } from "vitest";

import { FairQueue, QueueFull } from "./fair-queue.ts";

/** Work that is done when it is told to be. */
class Works {
  readonly started: string[] = [];
  readonly #ends: (() => void)[] = [];

  make(name: string): () => Promise<string> {
    return () => {
      this.started.push(name);
      return new Promise((resolve) => {
        this.#ends.push(() => resolve(name));
      });
    };
  }

  async endAll(): Promise<void> {
    while (this.#ends.length > 0) {
      this.#ends.shift()!();
      await nextRound();
    }
  }
}

test("peers take turns, within what may be under way, and who is preferred comes first", async () => {
  const queue = new FairQueue({ running: 2, runningOfPeer: 2, waiting: 100 });
  const works = new Works();
  const all = [
    ...["a1", "a2", "a3", "a4"].map((name) => queue.run("a", false, works.make(name))),
    ...["b1", "b2"].map((name) => queue.run("b", false, works.make(name))),
    queue.run("a", true, works.make("preferred")),
  ];
  await nextRound();
  expect(works.started).toEqual(["a1", "a2"]);
  await works.endAll();
  await Promise.all(all);
  expect(works.started).toEqual(["a1", "a2", "preferred", "a3", "b1", "a4", "b2"]);
});

test("one peer cannot have all places", async () => {
  const queue = new FairQueue({ running: 3, runningOfPeer: 2, waiting: 100 });
  const works = new Works();
  const all = ["a1", "a2", "a3"].map((name) => queue.run("a", false, works.make(name)));
  await nextRound();
  expect(works.started).toEqual(["a1", "a2"]);
  all.push(queue.run("b", false, works.make("b1")));
  await nextRound();
  expect(works.started).toEqual(["a1", "a2", "b1"]);
  await works.endAll();
  await Promise.all(all);
});

test("when it is full, the last of the peer that has the most is refused", async () => {
  const queue = new FairQueue({ running: 1, runningOfPeer: 1, waiting: 3 });
  const works = new Works();
  const all = ["a1", "a2", "a3", "a4"].map((name) => queue.run("a", false, works.make(name)));
  const other = queue.run("b", false, works.make("b1"));
  await expect(all.at(-1)).rejects.toThrow(QueueFull);
  await works.endAll();
  expect(await Promise.all([...all.slice(0, -1), other])).toEqual(["a1", "a2", "a3", "b1"]);
});

test("work that fails leaves its place to the next", async () => {
  const queue = new FairQueue({ running: 1, runningOfPeer: 1, waiting: 3 });
  const fails = queue.run("a", false, () => Promise.reject(new Error("of the work")));
  const works = queue.run("a", false, () => Promise.resolve("done"));
  await expect(fails).rejects.toThrow("of the work");
  await expect(works).resolves.toBe("done");
});
