import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { askAsStranger, askAt, askHealth, makePlace, serve, until } from "../serving/support.ts";
import { PRIVATE_ENGINES, type PrivateServer } from "./private-servers.ts";

/** What probes wait for at most; it is told by then, whatever the database does. */
const PROBE_MS = 5000;

describe.each(PRIVATE_ENGINES)("on $name", (engine) => {
  let server: PrivateServer;

  beforeAll(async () => {
    server = await engine.start();
  }, 60_000);

  afterAll(async () => {
    await server?.remove();
  });

  test(
    "a service of which the database stands still lives, is not ready, and is ready when it goes on",
    { timeout: 60_000 },
    async () => {
      await server.createDatabase("standing");
      const connection = server.connectionTo("standing");
      const place = await makePlace({ placement_database: { connection } });
      const url = await serve(place).url();
      expect((await askAsStranger(`${url}/readyz`)).status).toBe(200);
      server.pause();
      const pausedAtMs = performance.now();
      const [stranger, admin, live] = await Promise.all([
        askAsStranger(`${url}/readyz`),
        askAt(`${url}/readyz`),
        askAsStranger(`${url}/healthz`),
      ]);
      expect(performance.now() - pausedAtMs).toBeLessThan(PROBE_MS);
      expect([stranger.status, admin.status, live.status]).toEqual([503, 503, 200]);
      expect(stranger.text).not.toContain("detail");
      expect(JSON.parse(stranger.text)).toMatchObject({
        status: "not ready",
        checks: { database: { is_ok: false } },
      });
      expect(JSON.parse(admin.text)).toMatchObject({
        checks: { database: { is_ok: false, detail: "the database did not answer in time" } },
      });
      expect(await askHealth(place.folder, ["--url", url], { OS_TOKEN: "admin" })).toEqual([
        1,
        "",
        expect.stringContaining("stowage: not ready: database: the database did not answer"),
      ]);
      server.resume();
      const resumedAtMs = performance.now();
      await until(async () => (await askAsStranger(`${url}/readyz`)).status === 200);
      expect(performance.now() - resumedAtMs).toBeLessThan(1000);
    },
  );

  test("a database without the schema is no ready one", { timeout: 60_000 }, async () => {
    await server.createDatabase("unstamped");
    const connection = server.connectionTo("unstamped");
    const place = await makePlace({ placement_database: { connection } });
    const url = await serve(place).url();
    const session = await server.openSession("unstamped");
    await session.query("UPDATE alembic_version SET version_num = 'of the future'");
    const { status, text } = await askAt(`${url}/readyz`);
    expect(status).toBe(503);
    expect(JSON.parse(text)).toMatchObject({
      checks: {
        database: { is_ok: true },
        schema: { is_ok: false, detail: expect.stringContaining("of the future") },
        read_model: { is_ok: true },
      },
    });
    await session.close();
  });
});
