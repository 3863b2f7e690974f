import type { Client } from "./client.ts";

/** A provider as its row says where it lies. */
export interface PlacedRow {
  readonly uuid: string;
  readonly parent: string | null;
  readonly root: string | null;
}

/** The rows of all providers, with the UUIDs of parents and roots: the same on every engine. */
export const PLACES_OF_PROVIDERS = `
  SELECT rp.uuid AS uuid, parent.uuid AS parent, root.uuid AS root
  FROM resource_providers AS rp
  LEFT JOIN resource_providers AS parent ON parent.id = rp.parent_provider_id
  LEFT JOIN resource_providers AS root ON root.id = rp.root_provider_id
  ORDER BY rp.id`;

/** What must never be in the rows, as sentences. */
export function findTreeProblems(rows: readonly PlacedRow[]): string[] {
  const byUuid = new Map(rows.map((row) => [row.uuid, row]));
  return rows.flatMap(({ uuid, parent, root }) => {
    if (parent === null) return root === uuid ? [] : [`${uuid} is a root in the tree of ${root}`];
    const ancestors = new Set<string>();
    for (let it: string | null | undefined = parent; it; it = byUuid.get(it)?.parent) {
      if (it === uuid) return [`${uuid} is its own ancestor`];
      if (ancestors.has(it)) break;
      ancestors.add(it);
    }
    const rootOfParent = byUuid.get(parent)?.root;
    return root === rootOfParent ? [] : [`${uuid} is in ${root}, its parent in ${rootOfParent}`];
  });
}

/** Makes providers with nothing about them but their names, each after its parent. */
export async function makeTree(
  client: Client,
  parents: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  for (const [uuid, parent] of Object.entries(parents)) {
    await client.expectSuccess("POST", "/resource_providers", {
      body: { uuid, name: uuid, ...(parent !== undefined && { parent_provider_uuid: parent }) },
    });
  }
}

/** Gives a provider another parent, or none. */
export function move(client: Client, uuid: string, parent: string | null) {
  return client.put(`/resource_providers/${uuid}`, { name: uuid, parent_provider_uuid: parent });
}
