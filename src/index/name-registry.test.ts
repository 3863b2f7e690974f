import { expect, test } from "vitest";
import { NameRegistry } from "./name-registry.ts";

const named = (id: number, name: string) => ({ id, name, createdAt: null, updatedAt: null });

test("looks up by id and by name, and lists in the order of ids", () => {
  const registry = new NameRegistry();
  registry.replaceAll([named(10_000, "CUSTOM_A"), named(0, "VCPU")]);
  registry.put(named(2, "DISK_GB"));
  expect(registry.idOf("VCPU")).toBe(0);
  expect(registry.nameOf(10_000)).toBe("CUSTOM_A");
  expect(registry.get("DISK_GB")).toEqual(named(2, "DISK_GB"));
  expect(registry.list().map(({ id }) => id)).toEqual([0, 2, 10_000]);
});

test("lists what is put behind the others, and what was listed before stays as it is", () => {
  const registry = new NameRegistry();
  registry.replaceAll([named(1, "A"), named(2, "B")]);
  const before = registry.list();
  registry.put(named(3, "C"));
  registry.put(named(5, "E"));
  expect(registry.list().map(({ id }) => id)).toEqual([1, 2, 3, 5]);
  registry.put(named(6, "F"));
  registry.put(named(4, "D"));
  expect(registry.list().map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6]);
  registry.put(named(7, "G"));
  registry.remove(7);
  expect(registry.list().map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(before).toEqual([named(1, "A"), named(2, "B")]);
});

test("counts what is given another name, and nothing else, as renamed", () => {
  const registry = new NameRegistry();
  registry.replaceAll([named(1, "A")]);
  registry.put(named(2, "B"));
  registry.put(named(2, "B"));
  expect(registry.renames).toBe(0);
  registry.put(named(2, "C"));
  expect(registry.renames).toBe(1);
});

test("forgets the old name of what is renamed or removed", () => {
  const registry = new NameRegistry();
  registry.put(named(1, "CUSTOM_A"));
  registry.put(named(1, "CUSTOM_B"));
  expect(registry.idOf("CUSTOM_A")).toBeUndefined();
  expect(registry.idOf("CUSTOM_B")).toBe(1);
  registry.remove(1);
  registry.remove(1);
  expect(registry.idOf("CUSTOM_B")).toBeUndefined();
  expect(registry.nameOf(1)).toBeUndefined();
  expect(registry.list()).toEqual([]);
});
