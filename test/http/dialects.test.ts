import { describe, expect, test } from "vitest";
import { ERROR_CODES } from "../../src/api/error-codes.ts";
import { HttpError } from "../../src/api/http-error.ts";
import { json } from "../../src/api/response.ts";
import type { Route, RouteTable } from "../../src/api/route.ts";
import { MAX_STREAMS } from "../../src/api/stream-limits.ts";
import { OpenStreams } from "../../src/http/streams.ts";
import { ADMIN, errorOf, serve, speaking } from "./support.ts";

const refuse = () => {
  throw new HttpError(409, "No host has room.", {
    code: ERROR_CODES.inventoryInUse,
    data: { hosts: 3 },
  });
};

/** Tells what it is until it has to end, and then that it does. */
const stream: Route["handler"] = (request) => {
  const end = request.openStream();
  async function* parts() {
    yield Buffer.from("begun\n");
    await new Promise((resolve) => {
      end.addEventListener("abort", resolve);
    });
    yield Buffer.from("ended\n");
  }
  return { status: 200, body: parts(), contentType: "text/event-stream" };
};

const ours = (handler: Route["handler"]): Route => ({ handler, dialect: "stowage" });

const ROUTES: RouteTable = {
  "/things": { GET: { handler: refuse } },
  "/stowage/v1/version": { GET: ours(({ microversion }) => json(200, microversion)) },
  "/stowage/v1/refusing": { GET: ours(refuse) },
  "/stowage/v1/stream": { GET: { ...ours(stream), produces: ["text/event-stream"] } },
  "/healthz": { GET: { ...ours(() => json(200, {})), isPublic: true } },
};

describe("a path of our own dialect", () => {
  test("means the newest microversion unless the request names one", async () => {
    const { url } = await serve({}, ROUTES);
    const minors = await Promise.all(
      [ADMIN, speaking("1.10"), speaking("latest")].map(async (headers) => {
        const response = await fetch(`${url}/stowage/v1/version`, { headers });
        return ((await response.json()) as { minor: number }).minor;
      }),
    );
    expect(minors).toEqual([39, 10, 39]);
  });

  test("tells the code and the facts of an error, and its text without a frame", async () => {
    const { url } = await serve({}, ROUTES);
    const error = await errorOf(
      await fetch(`${url}/stowage/v1/refusing`, { headers: speaking("1.10") }),
    );
    expect(error).toEqual({
      status: 409,
      title: "Conflict",
      detail: "No host has room.",
      code: "placement.inventory.inuse",
      request_id: expect.stringMatching(/^req-/),
      data: { hosts: 3 },
    });
  });

  test("tells the code also of a path beside it that leads nowhere", async () => {
    const { url } = await serve({}, ROUTES);
    const response = await fetch(`${url}/stowage/v1/nowhere`, { headers: ADMIN });
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toMatchObject({
      code: "placement.undefined_code",
      detail: "The resource could not be found.",
    });
  });

  test("leaves Placement's paths as they are: no facts, no code before 1.23", async () => {
    const { url } = await serve({}, ROUTES);
    const [before, since] = await Promise.all(
      ["1.22", "1.23"].map(async (version) =>
        errorOf(await fetch(`${url}/things`, { headers: speaking(version) })),
      ),
    );
    expect(before).not.toHaveProperty("code");
    expect(since).toHaveProperty("code", "placement.inventory.inuse");
    expect(since).not.toHaveProperty("data");
    expect(since?.detail).toBe(
      "There was a conflict when trying to complete your request.\n\n No host has room.  ",
    );
  });

  test("may answer without a token, and then looks at none", async () => {
    const { url } = await serve({}, ROUTES);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await fetch(`${url}/stowage/v1/version`)).status).toBe(401);
  });
});

describe("an answer that goes on", () => {
  test("says its last word and ends when the service stops, at once", async () => {
    const server = await serve({ stowage: { shutdownTimeout: 30 } }, ROUTES);
    const response = await fetch(`${server.url}/stowage/v1/stream`, { headers: ADMIN });
    const text = response.text();
    await server.stop();
    expect(await text).toBe("begun\nended\n");
    expect(server.log.join("")).not.toContain("cut off");
  });

  test("ends with the token of whoever reads it", async () => {
    const streams = new OpenStreams();
    const end = streams.open({
      client: new AbortController().signal,
      expiresAtMs: Date.now() + 10,
      cut() {},
      recheck: () => Promise.resolve(),
    });
    await new Promise((resolve) => {
      end.addEventListener("abort", resolve);
    });
    expect(streams.size).toBe(0);
  });

  test("is refused when too many are open, until a client goes away", () => {
    const streams = new OpenStreams();
    const clients = Array.from({ length: MAX_STREAMS }, () => new AbortController());
    const terms = { expiresAtMs: undefined, cut() {}, recheck: () => Promise.resolve() };
    for (const { signal } of clients) streams.open({ ...terms, client: signal });
    const open = () => streams.open({ ...terms, client: new AbortController().signal });
    expect(open).toThrow("Too many streams are open.");
    clients[0]?.abort();
    expect(open().aborted).toBe(false);
    streams.endAll();
    expect(streams.size).toBe(0);
    expect(open).toThrow("Too many streams are open.");
  });
});
