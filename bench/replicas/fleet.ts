import type { Database } from "../../src/db/database.ts";
import type { DatabaseContext } from "../../src/db/change.ts";

const CONTEXT: DatabaseContext = { requestId: "bench", userId: undefined, projectId: undefined };
const AT_ONCE = 500;
const INVENTORIES = [
  { classId: 0, total: 64 },
  { classId: 1, total: 262_144 },
  { classId: 2, total: 10_000 },
];
const TRAITS = 10;

/** Flat providers with three inventories and ten traits each, written straight into the tables. */
export async function makeProviders(database: Database, providers: number): Promise<void> {
  for (let start = 1; start <= providers; start += AT_ONCE) {
    const ids = Array.from(
      { length: Math.min(AT_ONCE, providers - start + 1) },
      (_, i) => start + i,
    );
    await database.writer(CONTEXT, async ({ query }) => {
      await query
        .insertInto("resource_providers")
        .values(
          ids.map((id) => ({
            id,
            uuid: `a0000000-0000-4000-8000-${String(id).padStart(12, "0")}`,
            name: `host-${id}`,
            generation: 0,
            root_provider_id: id,
            parent_provider_id: null,
          })),
        )
        .execute();
      await query
        .insertInto("inventories")
        .values(
          ids.flatMap((id) =>
            INVENTORIES.map(({ classId, total }) => ({
              resource_provider_id: id,
              resource_class_id: classId,
              total,
              reserved: 0,
              min_unit: 1,
              max_unit: total,
              step_size: 1,
              allocation_ratio: 1,
            })),
          ),
        )
        .execute();
      await query
        .insertInto("resource_provider_traits")
        .values(
          ids.flatMap((id) =>
            Array.from({ length: TRAITS }, (_, i) => ({
              resource_provider_id: id,
              trait_id: 1 + ((id + i * 7) % 100),
            })),
          ),
        )
        .execute();
    });
  }
}
