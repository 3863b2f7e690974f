import { expect, test } from "vitest";

import { ByteWriter, release } from "./byte-writer.ts";

test("the memory of an answer does for the next ones, each of which is a little longer", () => {
  write(600_000);
  const buffers = [600_000, 600_050, 600_100, 600_150].map((length) => {
    const bytes = write(length);
    expect(bytes).toHaveLength(length);
    release(bytes);
    return bytes.buffer;
  });

  expect(new Set(buffers).size).toBe(1);
});

test("memory that is still read is not used for anything else", () => {
  const first = write(600_000);
  const second = write(600_000);

  expect(second.buffer).not.toBe(first.buffer);
});

function write(length: number): Uint8Array {
  const writer = new ByteWriter();
  for (let written = 0; written < length; written += 50) writer.text("x".repeat(50));
  return writer.take();
}
