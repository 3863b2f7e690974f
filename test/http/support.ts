import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { badRequest } from "../../src/api/http-error.ts";
import { empty, json } from "../../src/api/response.ts";
import type { RouteTable } from "../../src/api/route.ts";
import { defineSchema, readJson, validateQuery } from "../../src/api/validation/schema.ts";
import { defaultConfig, type ConfigOverrides } from "../../src/config/config.ts";
import {
  CommitOutcomeUnknown,
  DatabaseUnavailable,
  TransactionConflict,
  ResourceClassExists,
  ResourceProviderConcurrentUpdateDetected,
  ResourceProviderNotFound,
} from "../../src/domain/errors.ts";
import type { Policy } from "../../src/http/pipeline.ts";
import { startServer, type RunningServer } from "../../src/http/server.ts";
import { createLogger } from "../../src/observability/logger.ts";
import type { Service } from "../../src/operations/service.ts";

/** A server on a port of its own, stopped when the test is over, with what it logged. */
export interface TestServer extends RunningServer {
  readonly port: number;
  /** The lines logged so far. */
  readonly log: string[];
}

export async function serve(
  overrides: ConfigOverrides = {},
  routes: RouteTable = ROUTES,
  port = 0,
): Promise<TestServer> {
  const config = defaultConfig({
    ...overrides,
    api: { authStrategy: "noauth2", ...overrides.api },
    stowage: { shutdownTimeout: 5, ...overrides.stowage },
  });
  const log: string[] = [];
  const stream = { write: (line: string) => void log.push(line) };
  const server = await startServer({
    config,
    routes,
    logger: createLogger(config.default, stream),
    policy: ADMINS_ONLY,
    // The routes here ask nothing of the service: what they do is their own.
    service: { config } as Service,
    places: [{ host: "127.0.0.1", port }],
  });
  onTestFinished(() => server.stop());
  return { ...server, port: Number(new URL(server.url).port), log };
}

const ADMINS_ONLY: Policy = {
  authorize(action, _target, { roles }) {
    if (roles.includes("admin")) return { isAllowed: true };
    const message = `Policy does not allow ${action} to be performed.`;
    return { isAllowed: false, reason: "rule", message, detail: "not an admin" };
  },
};

const THING = defineSchema<{ name: string }>({
  type: "object",
  properties: { name: { type: "string", maxLength: 20 } },
  required: ["name"],
  additionalProperties: false,
});
const THING_QUERY = defineSchema({
  type: "object",
  properties: { name: { type: "string" } },
  additionalProperties: false,
});

/** A small API with each kind of route. */
export const ROUTES: RouteTable = {
  "/": {
    GET: {
      isPublic: true,
      handler: () => json(200, { versions: [] }, { lastModified: new Date(0) }),
    },
  },
  "/things": {
    GET: {
      produces: ["application/json"],
      handler: (request) => {
        request.authorize("placement:things:list");
        validateQuery(THING_QUERY, request.query);
        return json(200, { query: request.query.pairs, origin: request.origin });
      },
    },
    POST: {
      consumes: ["application/json"],
      handler: async (request) => {
        request.authorize("placement:things:create");
        const { name } = await readJson(request, THING);
        return empty(201, { location: `/things/${name}`, lastModified: new Date(0) });
      },
    },
  },
  "/things/{name}": {
    GET: {
      handler: ({ parameters, mountPoint, context }) =>
        json(200, {
          parameters,
          mountPoint,
          context,
        }),
    },
    PUT: {
      handler: async (request) => json(200, { size: (await request.readBody()).byteLength }),
    },
    DELETE: { handler: () => empty(204) },
  },
  "/things/{name}/parts/{part}": {
    GET: { since: "traits", handler: ({ parameters }) => json(200, parameters) },
    DELETE: { since: "traits", statusBefore: 405, handler: () => empty(204) },
  },
  "/failures/{kind}": {
    GET: {
      handler: ({ parameters }) => {
        throw FAILURES[parameters["kind"] ?? ""]?.() ?? new Error("unexpected <secret>");
      },
    },
  },
};

const FAILURES: Readonly<Record<string, () => Error>> = {
  "bad-request": () => badRequest('a <b>bold</b>\ntext & "more"'),
  "not-found": () => new ResourceProviderNotFound("u-u"),
  "concurrent-update": () => new ResourceProviderConcurrentUpdateDetected(),
  exists: () => new ResourceClassExists("CUSTOM_A"),
  "transaction-conflict": () => new TransactionConflict("deadlock in SELECT secret"),
  "no-database": () => new DatabaseUnavailable("connect to secret host"),
  "commit-unknown": () => new CommitOutcomeUnknown("lost secret host"),
};

/** What came back over a raw socket. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Sends bytes as they are and returns all answers that come until the server closes. */
export async function exchangeRaw(port: number, ...parts: string[]): Promise<RawAnswer[]> {
  const socket = openSocket(port);
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  for (const part of parts) {
    socket.write(Buffer.from(part, "latin1"));
    // In packets of their own.
    await sleep(20);
  }
  await closed(socket);
  return splitAnswers(received);
}

/** A connection that is gone when the test is over. */
export function openSocket(port: number): Socket {
  const socket = connect(port, "127.0.0.1").setNoDelay();
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  return socket;
}

export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.once("close", () => resolve());
  });
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Of answers with a `Content-Length` each. */
function splitAnswers(received: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = received;
  while (rest !== "") {
    const end = rest.indexOf("\r\n\r\n");
    const [statusLine = "", ...lines] = rest.slice(0, end).split("\r\n");
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const bodyEnd = end + 4 + Number(headers.get("content-length") ?? 0);
    answers.push({
      status: Number(statusLine.split(" ")[1]),
      headers,
      body: rest.slice(end + 4, bodyEnd),
    });
    rest = rest.slice(bodyEnd);
  }
  return answers;
}

export interface ErrorBody {
  readonly errors: readonly [
    {
      readonly status: number;
      readonly title: string;
      readonly detail: string;
      readonly code?: string;
      readonly request_id: string;
      readonly max_version?: string;
      readonly min_version?: string;
    },
  ];
}

/** The one error of an answer's body. */
export async function errorOf(response: Response): Promise<ErrorBody["errors"][0]> {
  return ((await response.json()) as ErrorBody).errors[0];
}

export const ADMIN = { "x-auth-token": "admin" };

/** The headers of an administrator that speaks a version. */
export function speaking(version: string): Record<string, string> {
  return { ...ADMIN, "openstack-api-version": `placement ${version}` };
}
