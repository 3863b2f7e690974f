import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { checkUpgrade } from "../src/cli/admin/status.ts";
import { defaultConfig } from "../src/config/config.ts";
import { SERVER_ENGINES } from "./db/server-engines.ts";
import { atTerminal } from "./support/command-line.ts";
import { ENGINES, type TestDatabase } from "./support/engines.ts";
import { providerUuid } from "./support/fleet.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";
import { readUnchecked, runUnchecked } from "./support/unchecked-rows.ts";
import { findTreeProblems, makeTree, move, PLACES_OF_PROVIDERS } from "./support/trees.ts";
import type { PlacedRow } from "./support/trees.ts";

// What a database that another program has written to may hold.

const uuid = providerUuid;
const [ROOT, X, Y, X_CHILD, Y_CHILD, OTHER_ROOT] = [
  uuid(1),
  uuid(2),
  uuid(3),
  uuid(4),
  uuid(5),
  uuid(6),
];
const ALL = [ROOT, X, Y, X_CHILD, Y_CHILD, OTHER_ROOT];
/** The id of no provider. */
const NOBODY = 12_345;

describe.each([...ENGINES, ...SERVER_ENGINES])(
  "odd trees in the tables of $name",
  { timeout: 600_000 },
  (engine) => {
    let database: TestDatabase;
    let stowage: LocalStowage;

    beforeEach(async () => {
      database = await engine.borrowDatabase();
      stowage = await start();
      await makeTree(stowage.client, {
        [ROOT]: undefined,
        [X]: ROOT,
        [Y]: ROOT,
        [X_CHILD]: X,
        [Y_CHILD]: Y,
        [OTHER_ROOT]: undefined,
      });
      for (const provider of ALL) {
        await stowage.client.expectSuccess("PUT", `/resource_providers/${provider}/inventories`, {
          body: { resource_provider_generation: 0, inventories: { VCPU: { total: 8 } } },
        });
        await stowage.client.expectSuccess("PUT", `/resource_providers/${provider}/traits`, {
          body: { resource_provider_generation: 1, traits: ["HW_CPU_X86_VMX"] },
        });
      }
    });

    afterEach(async () => {
      await stowage.stop();
      await database.remove();
    });

    const start = () => startHere({ placementDatabase: { connection: database.connection } });

    /** Writes past the service, which is started anew on what is there then. */
    async function write(...statements: readonly string[]): Promise<void> {
      await stowage.stop();
      await runUnchecked(database.connection, statements);
      stowage = await start();
    }

    const idOf = (provider: string) =>
      `(SELECT id FROM (SELECT id FROM resource_providers WHERE uuid = '${provider}') AS it)`;
    const setParent = (provider: string, parent: string) =>
      `UPDATE resource_providers SET parent_provider_id = ${parent} WHERE uuid = '${provider}'`;
    const setRoot = (provider: string, root: string) =>
      `UPDATE resource_providers SET root_provider_id = ${root} WHERE uuid = '${provider}'`;

    async function upgradeCheck(): Promise<string> {
      const config = defaultConfig({ placementDatabase: { connection: database.connection } });
      const [code, output] = await atTerminal((terminal) =>
        checkUpgrade({ config, directories: [] }, { json: true }, terminal),
      );
      expect(code).toBe(1);
      return output;
    }

    /** Both name the providers, and say what to do. */
    async function expectNamed(sentence: string, providers: readonly string[]): Promise<void> {
      const named = `${sentence}: ${providers.join(", ")}. Give `;
      expect(stowage.log.filter((line) => line.includes("WARN")).join("\n")).toContain(named);
      expect(await upgradeCheck()).toContain(named);
    }

    async function expectNothingNamed(): Promise<void> {
      await stowage.stop();
      stowage = await start();
      expect(stowage.log.filter((line) => line.includes("WARN"))).toEqual([]);
    }

    async function expectMended(): Promise<void> {
      const rows = await readUnchecked<PlacedRow>(database.connection, PLACES_OF_PROVIDERS);
      expect(findTreeProblems(rows)).toEqual([]);
      await expectNothingNamed();
    }

    /** Everything that looks at trees is answered, and soon enough to be answered at all. */
    async function expectAnswers(): Promise<void> {
      const two = "resources_A=VCPU:1&resources_B=VCPU:1";
      const three = `${two}&required_C=HW_CPU_X86_VMX&group_policy=isolate`;
      const paths = [
        "/resource_providers",
        "/allocation_candidates?resources=VCPU:1",
        `/allocation_candidates?${two}&group_policy=none&same_subtree=_A,_B`,
        `/allocation_candidates?${three}&same_subtree=_A,_C&limit=10`,
        `/allocation_candidates?${three}&same_subtree=_A,_B,_C&root_required=HW_CPU_X86_VMX`,
        ...ALL.flatMap((provider) => [
          `/resource_providers/${provider}`,
          `/resource_providers?in_tree=${provider}`,
          `/allocation_candidates?resources=VCPU:1&in_tree=${provider}`,
        ]),
      ];
      for (const path of paths) {
        expect((await stowage.client.get(path)).status, path).toBe(200);
      }
    }

    test("a loop is named, answered for, not made larger, and mended by a PUT of a parent", async () => {
      await write(setParent(X, idOf(Y)), setParent(Y, idOf(X)));
      await expectNamed("Resource providers that are their own ancestors", [X, Y]);
      await expectAnswers();
      const { client } = stowage;
      expect((await move(client, X, Y)).status).toBe(400);
      expect((await move(client, X, X_CHILD)).status).toBe(400);
      expect((await client.delete(`/resource_providers/${X}`)).status).toBe(409);
      const renamed = await client.put(`/resource_providers/${X}`, { name: "renamed" });
      expect(renamed.status).toBe(200);
      await makeTree(client, { [uuid(7)]: X_CHILD });
      expect((await move(client, uuid(7), Y_CHILD)).status).toBe(200);
      await expectAnswers();
      const mended = await move(client, X, OTHER_ROOT);
      expect(mended.json()).toMatchObject({
        parent_provider_uuid: OTHER_ROOT,
        root_provider_uuid: OTHER_ROOT,
      });
      await expectMended();
    });

    test("a loop of one, and a loop at the root, are mended by a PUT of no parent", async () => {
      await write(setParent(X, idOf(X)), setParent(OTHER_ROOT, idOf(OTHER_ROOT)));
      await expectNamed("Resource providers that are their own ancestors", [X, OTHER_ROOT]);
      await expectAnswers();
      for (const provider of [X, OTHER_ROOT]) {
        expect((await move(stowage.client, provider, provider)).status).toBe(400);
        expect((await move(stowage.client, provider, null)).status).toBe(200);
      }
      await expectMended();
    });

    test("children in another tree than their parent are named, and mended by a PUT of the same parent", async () => {
      await write(
        setRoot(X, idOf(OTHER_ROOT)),
        setRoot(Y_CHILD, idOf(OTHER_ROOT)),
        setRoot(OTHER_ROOT, idOf(ROOT)),
      );
      const sentence =
        "Resource providers that are in another tree than their parent, or in none of their own";
      await expectNamed(sentence, [X, X_CHILD, Y_CHILD, OTHER_ROOT]);
      await expectAnswers();
      expect((await move(stowage.client, X, ROOT)).status).toBe(200);
      await expectMended();
    });

    test("children in another tree go along when a provider above them moves", async () => {
      await write(setRoot(Y_CHILD, idOf(OTHER_ROOT)));
      expect((await move(stowage.client, Y, X_CHILD)).status).toBe(200);
      await expectMended();
      expect((await move(stowage.client, X, OTHER_ROOT)).status).toBe(200);
      const rows = await readUnchecked<PlacedRow>(database.connection, PLACES_OF_PROVIDERS);
      const inOtherTree = rows.filter(({ root }) => root === OTHER_ROOT).map((row) => row.uuid);
      expect(inOtherTree).toEqual([X, Y, X_CHILD, Y_CHILD, OTHER_ROOT]);
      await expectMended();
    });

    test("parents and roots that do not exist are named, answered for, and mended", async () => {
      await write(setParent(X, String(NOBODY)), setRoot(Y, String(NOBODY)));
      const sentence =
        "Resource providers that are in another tree than their parent, or in none of their own";
      await expectNamed(sentence, [X, Y, Y_CHILD]);
      await expectAnswers();
      expect((await move(stowage.client, X, null)).status).toBe(200);
      expect((await move(stowage.client, Y, X)).status).toBe(200);
      await expectMended();
    });
  },
);
