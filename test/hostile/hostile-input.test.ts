import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { QUERY_LIMITS } from "../../src/api/query-limits.ts";
import { attackHeaders, attackPaths, attackQueries, TARGETS, type Attack } from "./attack.ts";
import { SQLITE } from "../support/engines.ts";
import { MARKER } from "./hostile-values.ts";
import { sendRaw } from "./raw-connection.ts";
import { expectNoTrace, prototypeMembers } from "./no-trace.ts";
import { TargetService } from "./target-service.ts";

let target: TargetService;
const prototypeBefore = prototypeMembers();

beforeAll(async () => {
  target = await TargetService.start(SQLITE);
});

afterAll(() => target.stop());

describe("does no harm", () => {
  test.each(TARGETS)("in the path: $method $template", async (route) => {
    await expectNoHarm(attackPaths(route));
  });

  test.each(TARGETS)("in the query: $method $template", async (route) => {
    await expectNoHarm(attackQueries(route));
  });

  test.each(TARGETS)("in a header: $method $template", async (route) => {
    await expectNoHarm(attackHeaders(route));
  });

  test.each([QUERY_LIMITS.groups.most, 500])("with %i request groups", async (length) => {
    const groups = Array.from({ length }, (_, at) => `resources${at + 1}=VCPU:1`);
    for (const policy of ["none", "isolate"]) {
      const query = [...groups, `group_policy=${policy}`, "limit=10"].join("&");
      await expectNoHarm([
        { label: `${length} groups`, method: "GET", path: `/allocation_candidates?${query}` },
      ]);
    }
  });
});

describe("a message that no library would send", () => {
  const flaws: Readonly<Record<string, string>> = {
    "a line feed in a header": "GET /traits HTTP/1.1\r\nhost: a\r\nx-roles: a\nX-Injected: b\r\n",
    "a NUL in a header": "GET /traits HTTP/1.1\r\nhost: a\r\nx-roles: a\0b\r\n",
    "a NUL in the path": "GET /traits/\0 HTTP/1.1\r\nhost: a\r\n",
    "a blank in the path": "GET /traits/a b HTTP/1.1\r\nhost: a\r\n",
    "no HTTP at all": "\x16\x03\x01\x02\x00\x01\x00\r\n",
    "two lengths":
      "PUT /traits/A HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n",
    "a length and chunks":
      "PUT /traits/A HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n",
    "a negative length": "PUT /traits/A HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n",
    "a length of 1e400": "PUT /traits/A HTTP/1.1\r\nhost: a\r\ncontent-length: 1e400\r\n",
    "a broken chunk":
      "PUT /traits/A HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nab\r\n",
    "an unknown method": "DROP /traits HTTP/1.1\r\nhost: a\r\n",
    "a path of 1 MiB": `GET /traits/${"A".repeat(1024 * 1024)} HTTP/1.1\r\nhost: a\r\n`,
    "a header of 1 MiB": `GET /traits HTTP/1.1\r\nhost: a\r\nx-roles: ${"A".repeat(1024 * 1024)}\r\n`,
    "10,000 headers": `GET /traits HTTP/1.1\r\nhost: a\r\n${"x: y\r\n".repeat(10_000)}`,
  };

  test.each(Object.entries(flaws))("%s is refused, in words", async (_, head) => {
    const { url } = target.stowage.client;
    const token = "x-auth-token: admin\r\nopenstack-api-version: placement 1.39\r\n";
    const bytes = Buffer.from(`${head}${token}connection: close\r\n\r\n`, "latin1");
    const reply = await sendRaw(url, bytes);
    expect(reply.head).not.toMatch(/^x-injected/im);
    expect(reply.status).toBeGreaterThanOrEqual(400);
    expect(reply.status).toBeLessThan(500);
    expect(reply.body.length).toBeLessThan(8192);
    expect(JSON.parse(reply.body)).toMatchObject({ errors: [{ status: reply.status }] });
  });
});

test("text of any kind comes back as it went in", async () => {
  const { client } = target.stowage;
  const names = [
    `'; DROP TABLE consumers; -- ${MARKER}`,
    "\u202Egnp.exe\u2028",
    "e\u0301\u{1F4A9}",
    '"\\\\',
    "%_",
    "<b>&amp;",
    "a\r\nb\tc",
  ];
  for (const text of names) {
    const name = `as it is: ${text}`;
    const { uuid } = (
      await client.expectSuccess("POST", "/resource_providers", { body: { name } })
    ).json<{ uuid: string }>();
    const shown = await client.get(`/resource_providers/${uuid}`);
    expect(shown.json()).toMatchObject({ name });
    const found = await client.get(`/resource_providers?name=${encodeURIComponent(name)}`);
    expect(found.json()).toMatchObject({ resource_providers: [{ uuid, name }] });
    expect(found.json<{ resource_providers: unknown[] }>().resource_providers).toHaveLength(1);
  }
});

test("% and _ stand for themselves where names are compared", async () => {
  const { client } = target.stowage;
  for (const prefix of ["%25", "_", "HW%25", "HW_CPU_X86_VM_"]) {
    const reply = await client.get(`/traits?name=startswith:${prefix}`);
    expect([prefix, reply.json()]).toEqual([prefix, { traits: [] }]);
  }
  for (const name of ["%25", "specimen%25", "_".repeat(36)]) {
    const reply = await client.get(`/resource_providers?name=${name}`);
    expect(reply.json()).toEqual({ resource_providers: [] });
  }
});

test("after all that, nobody was surprised, no line was forged and no prototype has grown", async () => {
  await expectNoTrace(target, prototypeBefore);
});

async function expectNoHarm(attacks: Iterable<Attack>): Promise<void> {
  expect(await target.attackAll(attacks)).toEqual([]);
}
