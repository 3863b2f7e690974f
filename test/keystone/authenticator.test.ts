import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import {
  AuthenticationUnavailable,
  Unauthenticated,
  type Authenticator,
} from "../../src/auth/authenticator.ts";
import { createKeystoneAuthenticator } from "../../src/auth/keystone/keystone-authenticator.ts";
import type { Credentials } from "../../src/auth/credentials.ts";
import { ConfigError } from "../../src/config/config-error.ts";
import { defaultConfig, type ConfigOverrides } from "../../src/config/config.ts";
import { ActingKeystone, type Misbehaviour } from "./acting-keystone.ts";

type Overrides = ConfigOverrides["keystoneAuthtoken"];

let keystone: ActingKeystone;
const log: string[] = [];

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  log.length = 0;
  keystone = await ActingKeystone.start();
  keystone.tokens.set("good", { roles: ["reader"] });
});

afterEach(async () => {
  vi.useRealTimers();
  await keystone.stop();
});

function makeAuthenticator(overrides: Overrides = {}): Authenticator {
  const { keystoneAuthtoken } = defaultConfig({
    keystoneAuthtoken: {
      authUrl: keystone.url,
      authType: "password",
      userId: "placement",
      password: "the-password",
      httpConnectTimeout: 1,
      httpRequestMaxRetries: 0,
      serviceType: "placement",
      ...overrides,
    },
  });
  const write = (_: unknown, message?: string) => void log.push(message ?? "");
  return createKeystoneAuthenticator(keystoneAuthtoken, { warn: write, error: write });
}

type Headers = Readonly<Record<string, string>>;

async function ask(authenticate: Authenticator, headers: Headers): Promise<Credentials> {
  return authenticate(headers, { method: "GET", path: "/traits" });
}

const GOOD = { "x-auth-token": "good" };

function passSeconds(seconds: number): void {
  vi.setSystemTime(Date.now() + seconds * 1000);
}

describe("Keystone is asked", () => {
  test("for the first time when the first token comes, by a service that has logged in", async () => {
    const authenticate = makeAuthenticator();
    expect(keystone.logins).toBe(0);
    const credentials = await ask(authenticate, GOOD);
    expect(credentials).toMatchObject({
      userId: "a-user",
      userDomainId: "a-domain",
      projectId: "a-project",
      projectDomainId: "a-domain",
      domainId: undefined,
      systemScope: undefined,
      roles: ["reader"],
      isAdminProject: true,
      serviceRoles: [],
    });
    expect(keystone.validations).toMatchObject([
      {
        url: "/v3/auth/tokens",
        headers: {
          "x-auth-token": "session-1",
          "x-subject-token": "good",
          "openstack-identity-access-rules": "1",
        },
      },
    ]);
  });

  test("once for many requests with one token, and one login serves many tokens", async () => {
    keystone.tokens.set("other", {});
    const authenticate = makeAuthenticator();
    await Promise.all(
      Array.from({ length: 100 }, (_, number) =>
        ask(authenticate, { "x-auth-token": number % 2 ? "good" : "other" }),
      ),
    );
    expect([keystone.logins, keystone.validations.length]).toEqual([1, 2]);
  });

  test("again after token_cache_time, and of what has expired not at all before", async () => {
    keystone.tokens.set("short", { expiresAtMs: Date.now() + 60_000 });
    const authenticate = makeAuthenticator({ tokenCacheTime: 100 });
    await ask(authenticate, GOOD);
    await ask(authenticate, { "x-auth-token": "short" });
    passSeconds(59);
    await ask(authenticate, GOOD);
    await ask(authenticate, { "x-auth-token": "short" });
    expect(keystone.validations).toHaveLength(2);
    passSeconds(2);
    await expect(ask(authenticate, { "x-auth-token": "short" })).rejects.toThrow(Unauthenticated);
    passSeconds(40);
    await ask(authenticate, GOOD);
    expect(keystone.validations).toHaveLength(4);
  });

  test("each time where token_cache_time is -1", async () => {
    const authenticate = makeAuthenticator({ tokenCacheTime: -1 });
    await ask(authenticate, GOOD);
    await ask(authenticate, GOOD);
    expect(keystone.validations).toHaveLength(2);
  });

  test("again after some seconds about a token that it does not know: it may come to know it", async () => {
    const authenticate = makeAuthenticator();
    const late = { "x-auth-token": "late" };
    await expect(ask(authenticate, late)).rejects.toThrow(Unauthenticated);
    keystone.tokens.set("late", {});
    await expect(ask(authenticate, late)).rejects.toThrow(Unauthenticated);
    expect(keystone.validations).toHaveLength(1);
    passSeconds(6);
    await expect(ask(authenticate, late)).resolves.toMatchObject({ userId: "a-user" });
  });

  test("never about what cannot be a token", async () => {
    const authenticate = makeAuthenticator();
    for (const token of [
      "",
      " ",
      "with space",
      "x".repeat(2049),
      "tökén",
      "a/b",
      "a+b",
      "<a>",
      "a%3D",
    ]) {
      const question = ask(authenticate, { "x-auth-token": token });
      await expect(question).rejects.toThrow(Unauthenticated);
    }
    expect([keystone.logins, keystone.validations.length]).toEqual([0, 0]);
  });

  test("for a peer's token in its turn, however many another peer has sent", async () => {
    const authenticate = makeAuthenticator({ httpConnectTimeout: 60 });
    const held: (() => void)[] = [];
    const refuse: Misbehaviour = (_, response) => {
      held.push(() => void response.writeHead(404).end("{}"));
    };
    keystone.nextValidations.push(...Array.from({ length: 48 }, () => refuse));
    const from = async (peer: string, token: string) =>
      authenticate({ "x-auth-token": token }, { method: "GET", path: "/traits", peer });
    const bad = Array.from({ length: 500 }, (_, it) => from("10.0.0.1", `bad-${it}`));
    const refused = Promise.allSettled(bad);
    while (held.length < 48) await sleep(2);
    // There is a place for it, and the five hundred still wait.
    await expect(from("10.0.0.2", "good")).resolves.toMatchObject({ userId: "a-user" });
    expect(keystone.validations).toHaveLength(49);
    for (const answer of held) answer();
    expect((await refused).every(({ status }) => status === "rejected")).toBe(true);
  });

  test("for a token that was valid before, before all others", async () => {
    const authenticate = makeAuthenticator({ tokenCacheTime: 10, httpConnectTimeout: 60 });
    await ask(authenticate, GOOD);
    passSeconds(11);
    const held: (() => void)[] = [];
    keystone.nextValidations.push(
      ...Array.from({ length: 48 }, (): Misbehaviour => (_, response) => {
        held.push(() => void response.writeHead(404).end("{}"));
      }),
    );
    const bad = Array.from({ length: 500 }, (_, it) =>
      ask(authenticate, { "x-auth-token": `bad-${it}` }),
    );
    const refused = Promise.allSettled(bad);
    while (held.length < 48) await sleep(2);
    await expect(ask(authenticate, GOOD)).resolves.toMatchObject({ userId: "a-user" });
    expect(keystone.validations).toHaveLength(50);
    for (const answer of held) answer();
    await refused;
  });

  test("for a bounded number of tokens: those beyond it are told that it is busy", async () => {
    const authenticate = makeAuthenticator({ httpConnectTimeout: 60 });
    const asked = Array.from({ length: 1400 }, (_, it) =>
      ask(authenticate, { "x-auth-token": `bad-${it}` }),
    );
    const outcomes = await Promise.allSettled(asked);
    const busy = outcomes.filter(
      (it) => it.status === "rejected" && it.reason instanceof AuthenticationUnavailable,
    );
    expect([busy.length, keystone.validations.length]).toEqual([72, 1328]);
  });

  test("at the endpoint of the catalog that is of the region and the interface", async () => {
    const elsewhere = await ActingKeystone.start();
    const endpoint = (url: string, region: string, kind: string) => ({
      url,
      region,
      interface: kind,
    });
    keystone.catalog = [
      { type: "placement", endpoints: [endpoint(keystone.url, "there", "admin")] },
      {
        type: "identity",
        endpoints: [
          endpoint(keystone.url, "there", "internal"),
          endpoint(keystone.url, "here", "admin"),
          endpoint(elsewhere.url.replace("/v3", "/"), "there", "admin"),
        ],
      },
    ];
    elsewhere.sessions.add("session-1");
    elsewhere.tokens.set("good", {});
    await ask(makeAuthenticator({ regionName: "there", interface: "adminURL" }), GOOD);
    await elsewhere.stop();
    expect([keystone.validations.length, elsewhere.validations.length]).toEqual([0, 1]);
  });

  test("at auth_url where the catalog has no such endpoint; the operator is told once", async () => {
    const authenticate = makeAuthenticator({ regionName: "there" });
    await ask(authenticate, GOOD);
    keystone.sessions.clear();
    passSeconds(1000);
    await ask(authenticate, GOOD);
    expect(keystone.logins).toBe(2);
    expect(log.filter((line) => line.includes("no internal endpoint"))).toHaveLength(1);
  });
});

describe("the service's own token", () => {
  test("is renewed two minutes before it expires", async () => {
    const authenticate = makeAuthenticator({ tokenCacheTime: -1 });
    await ask(authenticate, GOOD);
    passSeconds(3600 - 121);
    await ask(authenticate, GOOD);
    expect(keystone.logins).toBe(1);
    passSeconds(1);
    await ask(authenticate, GOOD);
    expect(keystone.logins).toBe(2);
  });

  test("that lives for a minute serves for half of it", async () => {
    keystone.lifetimeSeconds = 60;
    const authenticate = makeAuthenticator({ tokenCacheTime: -1 });
    await ask(authenticate, GOOD);
    passSeconds(29);
    await ask(authenticate, GOOD);
    expect(keystone.logins).toBe(1);
  });

  test("is fetched anew when it is refused, and the question is put again as it was", async () => {
    keystone.tokens.set("service", { roles: ["service"] });
    keystone.tokens.set("expired", { expiresAtMs: Date.now() - 1000 });
    const authenticate = makeAuthenticator();
    await ask(authenticate, { ...GOOD, "x-service-token": "service" });
    keystone.sessions.clear();
    await ask(authenticate, { "x-auth-token": "expired", "x-service-token": "service" });
    expect(keystone.logins).toBe(2);
    expect(keystone.validations.slice(-2).map(({ url }) => url)).toEqual([
      "/v3/auth/tokens?allow_expired=1",
      "/v3/auth/tokens?allow_expired=1",
    ]);
  });

  test("is fetched anew once only for a question", async () => {
    const refuse: Misbehaviour = (_, response) => response.writeHead(401).end("{}");
    keystone.nextValidations.push(refuse, refuse, refuse);
    await expect(ask(makeAuthenticator(), GOOD)).rejects.toThrow(AuthenticationUnavailable);
    expect([keystone.logins, keystone.validations.length]).toEqual([2, 2]);
  });
});

describe("service tokens", () => {
  beforeEach(() => {
    keystone.tokens.set("service", { roles: ["service", "admin"] });
    keystone.tokens.set("no-service", { roles: ["admin"] });
    keystone.tokens.set("expired", { expiresAtMs: Date.now() - 1000 });
  });

  test("come with roles of their own", async () => {
    const credentials = await ask(makeAuthenticator(), { ...GOOD, "x-service-token": "service" });
    expect(credentials).toMatchObject({
      roles: ["reader"],
      serviceUserId: "a-user",
      serviceProjectId: "a-project",
      serviceRoles: ["service", "admin"],
    });
  });

  test("with the role of a service let expired tokens pass, in the cache and out of it", async () => {
    const authenticate = makeAuthenticator();
    const expired = { "x-auth-token": "expired" };
    for (let round = 0; round < 2; round++) {
      await ask(authenticate, { ...expired, "x-service-token": "service" });
      await expect(ask(authenticate, expired)).rejects.toThrow(/expired|does not know/);
    }
    const allowed = keystone.validations.filter(({ url }) => url?.includes("allow_expired"));
    expect(allowed).toHaveLength(1);
  });

  test.for([
    ["forged", {}, /the service token: Keystone does not know it/],
    ["expired", {}, /the service token: Keystone does not know it/],
    ["no-service", {}, /none of service_token_roles/],
    ["service", { serviceTokenRoles: ["other"] }, /none of service_token_roles/],
  ] as const)("that are %s with %j are refused", async ([token, overrides, reason]) => {
    const question = ask(makeAuthenticator(overrides), { ...GOOD, "x-service-token": token });
    await expect(question).rejects.toThrow(reason);
  });

  test.for([true, false])(
    "with access rules are refused: they would let their owner past them (roles required: %s)",
    async (serviceTokenRolesRequired) => {
      keystone.tokens.set("restricted", {
        roles: ["service"],
        rest: { application_credential: { access_rules: [] }, catalog: [{ type: "placement" }] },
      });
      const headers = { "x-auth-token": "restricted", "x-service-token": "restricted" };
      const question = ask(makeAuthenticator({ serviceTokenRolesRequired }), headers);
      await expect(question).rejects.toThrow("the service token: it has access rules");
    },
  );

  test("without a role pass where none is required, but let nothing expired pass", async () => {
    const authenticate = makeAuthenticator({ serviceTokenRolesRequired: false });
    await ask(authenticate, { ...GOOD, "x-service-token": "no-service" });
    const late = { "x-auth-token": "expired", "x-service-token": "no-service" };
    await expect(ask(authenticate, late)).rejects.toThrow(Unauthenticated);
    expect(log.join()).toContain("service_token_roles_required = false");
  });
});

describe("scopes", () => {
  test.for<[object, object]>([
    [
      { project: undefined, domain: { id: "d" } },
      { projectId: undefined, domainId: "d" },
    ],
    [
      { project: undefined, system: { all: true } },
      { projectId: undefined, systemScope: "all" },
    ],
    [
      { project: undefined, roles: undefined },
      { projectId: undefined, roles: [] },
    ],
    [{ is_admin_project: false }, { isAdminProject: false }],
  ])("a token with %j is read as %j", async ([rest, expected]) => {
    keystone.tokens.set("scoped", { rest });
    const credentials = await ask(makeAuthenticator(), { "x-auth-token": "scoped" });
    expect(credentials).toMatchObject(expected);
  });

  test("the scope of a service token is not that of its user", async () => {
    keystone.tokens.set("service", {
      roles: ["service"],
      rest: { project: undefined, system: { all: true } },
    });
    const headers = { ...GOOD, "x-service-token": "service" };
    expect(await ask(makeAuthenticator(), headers)).toMatchObject({
      projectId: "a-project",
      systemScope: undefined,
    });
  });
});

describe("a Keystone that does not answer as it should", () => {
  const hang: Misbehaviour = () => {};
  const answer =
    (status: number, body: string): Misbehaviour =>
    (_, response) =>
      response.writeHead(status).end(body);
  const trickle: Misbehaviour = (_, response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write(" "), 50);
    response.on("close", () => clearInterval(timer));
  };
  const pour: Misbehaviour = (_, response) => {
    response.writeHead(200);
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, " ")));
      if (!response.destroyed) response.once("drain", more);
    };
    more();
  };
  const faults: Readonly<Record<string, Misbehaviour>> = {
    hangs: hang,
    trickles: trickle,
    "pours without end": pour,
    "does not speak HTTP": ({ socket }) => socket.end("220 mail.example.org ESMTP\r\n"),
    "breaks off": (_, response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write('{"token": ', () => response.destroy());
    },
    "fails with 500": answer(500, '{"error": {"code": 500}}'),
    "is overloaded": answer(503, "Service Unavailable"),
    "forbids the question": answer(403, '{"error": {"code": 403}}'),
    "answers in HTML": answer(200, "<html></html>"),
    "is another web server": answer(404, "<html>Not Found</html>"),
    "answers something else": answer(200, '{"version": "v3"}'),
    "answers a token of another shape": answer(
      200,
      '{"token": {"user": "admin", "expires_at": 1}}',
    ),
    "answers a token without end": answer(
      200,
      '{"token": {"user": {"id": "1"}, "expires_at": ""}}',
    ),
    "sends elsewhere": (_, response) =>
      response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
  };

  test.for(Object.entries(faults))("and %s: nobody is let in, and told so", async ([, fault]) => {
    const authenticate = makeAuthenticator();
    keystone.nextValidations.push(fault);
    await expect(ask(authenticate, GOOD)).rejects.toThrow(AuthenticationUnavailable);
    expect(log.at(-1)).toMatch(/^A token cannot be validated: /);
    // And nothing of it is remembered.
    await expect(ask(authenticate, GOOD)).resolves.toMatchObject({ userId: "a-user" });
  });

  const loginFaults: typeof faults = {
    ...faults,
    "hangs up": ({ socket }) => socket.destroy(),
    "refuses the login": answer(401, "{}"),
  };

  test.for(Object.entries(loginFaults))(
    "at the login, and %s: nobody is let in, and told so",
    async ([, fault]) => {
      const authenticate = makeAuthenticator();
      keystone.nextLogins.push(fault);
      await expect(ask(authenticate, GOOD)).rejects.toThrow(AuthenticationUnavailable);
      await expect(ask(authenticate, GOOD)).resolves.toMatchObject({ userId: "a-user" });
    },
  );

  test("and hangs holds up nobody whose token is cached", async () => {
    const authenticate = makeAuthenticator();
    await ask(authenticate, GOOD);
    keystone.nextValidations.push(hang);
    const stranger = ask(authenticate, { "x-auth-token": "stranger" });
    await expect(ask(authenticate, GOOD)).resolves.toMatchObject({ userId: "a-user" });
    await expect(stranger).rejects.toThrow(/it took too long/);
  });

  test("but comes back is asked again as often as http_request_max_retries says", async () => {
    const hangUp: Misbehaviour = ({ socket }) => socket.destroy();
    keystone.nextLogins.push(hangUp);
    await ask(makeAuthenticator({ httpRequestMaxRetries: 1 }), GOOD);
    expect(keystone.logins).toBe(2);
  });

  test("because it has closed a kept connection is asked over a new one at once", async () => {
    const authenticate = makeAuthenticator({ tokenCacheTime: -1 });
    await ask(authenticate, GOOD);
    keystone.nextValidations.push(({ socket }) => socket.resetAndDestroy());
    await ask(authenticate, GOOD);
    expect(keystone.validations).toHaveLength(3);
  });
});

test("no token and no password is ever logged or shown in an error", async () => {
  const authenticate = makeAuthenticator();
  keystone.nextLogins.push((_, response) => response.writeHead(401).end('{"error": "no"}'));
  const errors: string[] = [];
  for (const headers of [
    GOOD,
    { "x-auth-token": "forged-token" },
    { ...GOOD, "x-service-token": "forged-token" },
  ]) {
    await ask(authenticate, headers).catch((error: unknown) => errors.push(String(error)));
  }
  expect(errors.join()).toMatch(/refuses the service's own login.*does not know it/s);
  expect([...errors, ...log].join("\n")).not.toMatch(/forged-token|the-password|session-|good/);
});

test("user and password of a URL are for Keystone, and nobody else sees them", async () => {
  const secret = "u:hid/d@en";
  const withSecret = (url: string) => url.replace("://", `://${encodeURIComponent("u")}:hid%2Fd@`);
  const catalog = [
    {
      type: "identity",
      endpoints: [{ interface: "internal", url: withSecret(keystone.url) }],
    },
  ];
  const errors: string[] = [];
  const shown = (error: unknown) => {
    errors.push(String(error), String((error as { challenge?: string }).challenge));
  };
  for (const authUrl of [withSecret(keystone.url), withSecret("http://127.0.0.1:1/v3")]) {
    const authenticate = makeAuthenticator({ authUrl });
    keystone.catalog = catalog;
    keystone.nextValidations.push((_, response) => response.writeHead(403).end("{}"));
    for (const headers of [{}, GOOD]) await ask(authenticate, headers).catch(shown);
    keystone.nextLogins.push((_, response) => response.writeHead(401).end("{}"));
    await ask(makeAuthenticator({ authUrl, regionName: "x" }), GOOD).catch(shown);
  }
  const www = makeAuthenticator({ wwwAuthenticateUri: `https://${secret}@keystone.example.org` });
  await ask(www, {}).catch(shown);
  expect(() => makeAuthenticator({ authUrl: `htp://${secret}@keystone` })).toThrow(
    '"htp://***@keystone"',
  );
  const text = [...errors, ...log].join("\n");
  expect(text).toContain('Keystone uri="https://keystone.example.org"');
  expect(text).toContain(`Keystone uri="${keystone.url}"`);
  expect(text).toContain("no answer from http://***@127.0.0.1:1/v3/auth/tokens");
  expect(text).toContain("status 403");
  expect(text).not.toMatch(/hid|u:/);
});

describe("the configuration", () => {
  test.for<[Overrides, RegExp]>([
    [{ delayAuthDecision: true }, /delay_auth_decision = true is not supported/],
    [{ authUrl: undefined }, /auth_url is not set/],
    [{ authUrl: "keystone.example.org" }, /auth_url must be an http or https URL/],
    [{ authUrl: "https://" }, /auth_url must be an http or https URL/],
    [{ cafile: "/does/not/exist" }, /cafile: \/does\/not\/exist cannot be read/],
    [{ certfile: "/does/not/exist" }, /certfile: \/does\/not\/exist cannot be read/],
    [{ password: undefined }, /password is not set/],
  ])("with %j is refused at start", ([overrides, message]) => {
    expect(() => makeAuthenticator(overrides)).toThrow(ConfigError);
    expect(() => makeAuthenticator(overrides)).toThrow(message);
  });

  test("says where clients get their tokens; else it is where the service gets its own", async () => {
    const told = makeAuthenticator({ wwwAuthenticateUri: "https://keystone.example.org" });
    await expect(ask(told, {})).rejects.toMatchObject({
      challenge: 'Keystone uri="https://keystone.example.org"',
    });
    expect(log).toEqual([]);
    await expect(ask(makeAuthenticator(), {})).rejects.toMatchObject({
      challenge: `Keystone uri="${keystone.url}"`,
    });
    expect(log.join()).toContain("www_authenticate_uri is not set");
  });
});
