import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import type { ConfigOverrides } from "../../src/config/config.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { isClientInstalled, runClient } from "./openstack-client.ts";
import { makeCloud, PERSONAS, type Cloud } from "./personas.ts";
import {
  BRIEF_SECONDS,
  isKeystoneInstalled,
  startKeystone,
  type RealKeystone,
} from "./real-keystone.ts";

if (!isKeystoneInstalled) {
  console.log("Tests against a real Keystone are skipped: see scripts/install-for-tests.sh");
}

type KeystoneOverrides = NonNullable<ConfigOverrides["keystoneAuthtoken"]>;
type Persona = keyof typeof PERSONAS;

describe.skipIf(!isKeystoneInstalled)("with a real Keystone", () => {
  let keystone: RealKeystone;
  let cloud: Cloud;
  let tokens: Record<Persona, string>;
  let stowage: LocalStowage;

  beforeAll(async () => {
    keystone = await startKeystone();
    cloud = await makeCloud(keystone);
    tokens = await logInAll(keystone);
    stowage = await startStowage();
  });
  afterAll(async () => {
    await stowage?.stop();
    await keystone?.remove();
  });

  /** More services, for tests that need other options. */
  const others: LocalStowage[] = [];
  afterEach(async () => {
    await Promise.all(others.splice(0).map((other) => other.stop()));
  });

  async function startOther(overrides: KeystoneOverrides): Promise<LocalStowage> {
    const other = await startStowage(overrides);
    others.push(other);
    return other;
  }

  function startStowage(overrides: KeystoneOverrides = {}): Promise<LocalStowage> {
    return startHere({
      api: { authStrategy: "keystone" },
      keystoneAuthtoken: {
        authUrl: keystone.url,
        wwwAuthenticateUri: "https://keystone.example.org",
        authType: "password",
        username: "placement",
        password: "placement-password",
        userDomainId: "default",
        projectName: "service",
        projectDomainName: "Default",
        serviceType: "placement",
        ...overrides,
      },
    });
  }

  const TRAITS = "/traits?name=in:HW_CPU_X86_AVX";

  describe("a requester", () => {
    test.for<[Persona, number]>([
      ["admin", 200],
      ["placement", 200],
      ["nova", 200],
      ["reader", 403],
      ["guest", 403],
      ["unscoped", 403],
      ["system", 403],
      ["domain", 403],
    ])("as %s is answered %d", async ([persona, status]) => {
      const reply = await ask(stowage, { "x-auth-token": tokens[persona] });
      expect(reply.status).toBe(status);
    });

    test("may read the usages of the own project as its reader, and of no other one", async () => {
      const headers = { "x-auth-token": tokens.reader };
      const own = await stowage.client.get(`/usages?project_id=${cloud.demoId}`, { headers });
      const other = await stowage.client.get("/usages?project_id=another", { headers });
      expect([own.status, other.status]).toEqual([200, 403]);
    });

    test("needs no token for the root, and may have a bad one", async () => {
      const reply = await stowage.client.get("/", { headers: { "x-auth-token": "forged" } });
      expect(reply.status).toBe(200);
    });

    test("is who the token says, whatever else the request says", async () => {
      const reply = await ask(stowage, {
        "x-auth-token": tokens.guest,
        "x-roles": "admin",
        x_roles: "admin",
        "x-user-id": "admin",
        "x-project-id": "admin",
        "x-is-admin-project": "True",
        "x-identity-status": "Confirmed",
        "x-service-roles": "service",
      });
      expect(reply.status).toBe(403);
    });
  });

  describe("a token", () => {
    test.for([
      ["none", {}],
      ["an empty one", { "x-auth-token": "" }],
      ["a forged one", { "x-auth-token": "gAAAAABforged" }],
      ["one that no Keystone makes", { "x-auth-token": "x".repeat(9000) }],
      ["one with letters that tokens do not have", { "x-auth-token": "tökén" }],
    ] as const)("that is %s gets Keystone's own 401", async ([, headers]) => {
      const reply = await ask(stowage, headers);
      expect(reply.status).toBe(401);
      expect(reply.headers).toMatchObject({
        "www-authenticate": 'Keystone uri="https://keystone.example.org"',
        "content-type": "application/json",
        "x-openstack-request-id": expect.stringMatching(/^req-/),
      });
      expect(JSON.parse(reply.text)).toEqual({
        error: {
          code: 401,
          title: "Unauthorized",
          message: "The request you have made requires authentication.",
        },
      });
    });

    test("may come as X-Storage-Token, and with white space around it", async () => {
      const replies = await Promise.all([
        ask(stowage, { "x-storage-token": tokens.admin }),
        ask(stowage, { "x-auth-token": `\t ${tokens.admin}  ` }),
        ask(stowage, { "x-auth-token": "", "x-storage-token": tokens.admin }),
      ]);
      expect(replies.map(({ status }) => status)).toEqual([200, 200, 401]);
    });

    test("that is revoked is refused when its time in the cache is over", async () => {
      const other = await startOther({ tokenCacheTime: 2 });
      const token = await keystone.logIn(PERSONAS.admin);
      const before = await ask(other, { "x-auth-token": token });
      await keystone.revoke(token);
      const cached = await ask(other, { "x-auth-token": token });
      await sleep(2100);
      const after = await ask(other, { "x-auth-token": token });
      expect([before.status, cached.status, after.status]).toEqual([200, 200, 401]);
    });

    test("that expires is refused although it is cached, unless a service vouches for it", async () => {
      const token = await keystone.logInBriefly(PERSONAS.admin);
      const fresh = await ask(stowage, { "x-auth-token": token });
      await sleep(BRIEF_SECONDS * 1000 + 100);
      const expired = await ask(stowage, { "x-auth-token": token });
      const vouched = await ask(stowage, { "x-auth-token": token, "x-service-token": tokens.nova });
      const again = await ask(stowage, { "x-auth-token": token });
      const { status } = fresh;
      expect([status, expired.status, vouched.status, again.status]).toEqual([200, 401, 200, 401]);
    });
  });

  describe("a service token", () => {
    test("comes along without lending its roles", async () => {
      const statuses = await Promise.all(
        (["admin", "guest"] as const).map(async (persona) => {
          const headers = { "x-auth-token": tokens[persona], "x-service-token": tokens.nova };
          return (await ask(stowage, headers)).status;
        }),
      );
      expect(statuses).toEqual([200, 403]);
    });

    test("that is forged, expired or without a service role makes a good token worthless", async () => {
      const expired = await keystone.logInBriefly(PERSONAS.nova);
      await sleep(BRIEF_SECONDS * 1000 + 100);
      for (const serviceToken of ["forged", expired, tokens.reader]) {
        const headers = { "x-auth-token": tokens.admin, "x-service-token": serviceToken };
        expect((await ask(stowage, headers)).status).toBe(401);
      }
    });

    test("without a service role passes where none is required, but extends nothing", async () => {
      const other = await startOther({ serviceTokenRolesRequired: false });
      const expired = await keystone.logInBriefly(PERSONAS.admin);
      await sleep(BRIEF_SECONDS * 1000 + 100);
      const good = await ask(other, {
        "x-auth-token": tokens.admin,
        "x-service-token": tokens.reader,
      });
      const late = await ask(other, { "x-auth-token": expired, "x-service-token": tokens.reader });
      expect([good.status, late.status]).toEqual([200, 401]);
    });

    test("alone is not enough", async () => {
      expect((await ask(stowage, { "x-service-token": tokens.nova })).status).toBe(401);
    });
  });

  describe("an application credential with access rules", () => {
    let token: string;

    beforeAll(async () => {
      const rules = [
        { service: "placement", method: "GET", path: "/traits" },
        { service: "placement", method: "PUT", path: "/traits/{name}" },
        { service: "placement", method: "GET", path: "/resource_providers/*/inventories" },
        { service: "placement", method: "DELETE", path: "/resource_providers/**" },
        { service: "compute", method: "GET", path: "/usages" },
      ];
      const credential = await makeApplicationCredential(keystone, "restricted", rules);
      token = await keystone.logIn(credential.login);
    });

    test.for([
      ["GET", "/traits", 200],
      ["GET", "/traits?name=in:HW_CPU_X86_AVX", 200],
      ["PUT", "/traits/CUSTOM_A", 201],
      ["PUT", "/traits/CUSTOM%5FA", 204],
      ["PUT", "/traits/CUSTOM_A/B", 401],
      ["DELETE", "/traits/CUSTOM_A", 401],
      ["GET", "/resource_providers/x/inventories", 404],
      ["GET", "/resource_providers/x/y/inventories", 401],
      ["GET", "/resource_providers", 401],
      ["DELETE", "/resource_providers/x/inventories", 404],
      ["GET", "/usages?project_id=a", 401],
    ] as const)("is good for what they name: %s %s gets %d", async ([method, path, status]) => {
      const reply = await stowage.client.send(method, path, { headers: { "x-auth-token": token } });
      expect(reply.status).toBe(status);
    });

    test("is good for anything that a service asks for on its behalf", async () => {
      const headers = { "x-auth-token": token, "x-service-token": tokens.nova };
      const reply = await stowage.client.get("/resource_providers", { headers });
      expect(reply.status).toBe(200);
    });

    test.for([undefined, "unheard-of"])(
      "is refused by a service whose type is %s",
      async (serviceType) => {
        const other = await startOther({ serviceType });
        const headers = { "x-auth-token": token, "x-service-token": tokens.nova };
        const replies = await Promise.all([
          ask(other, { "x-auth-token": token }),
          ask(other, headers),
        ]);
        expect(replies.map(({ status }) => status)).toEqual([401, 401]);
      },
    );
  });

  // Few commands: each takes seconds to start.
  test.skipIf(!isClientInstalled)("the OpenStack client gets what its user may have", async () => {
    const region = "of-the-client";
    await offerIn(region, stowage.client.url);
    const run = (user: string, project: string, version: string, ...command: string[]) =>
      runClient({ authUrl: keystone.url, region, user, project, version }, command);
    const outcomes = await Promise.all([
      run("admin", "admin", "1.0", "resource", "provider", "list"),
      run("nova", "service", "1.39", "resource", "provider", "list"),
      run("reader", "demo", "1.39", "resource", "usage", "show", cloud.demoId),
      run("reader", "demo", "1.39", "resource", "provider", "list"),
      run("guest", "demo", "1.39", "resource", "usage", "show", cloud.demoId),
    ]);
    const refusal = (rule: string) => ({
      code: 1,
      errors: `Policy does not allow ${rule} to be performed. (HTTP 403)`,
    });
    expect(outcomes).toEqual([
      { code: 0, errors: "" },
      { code: 0, errors: "" },
      { code: 0, errors: "" },
      refusal("placement:resource_providers:list"),
      refusal("placement:usages"),
    ]);
  });

  async function offerIn(region: string, url: string): Promise<void> {
    const { services } = await keystone.call<{ services: { id: string }[] }>(
      "GET",
      "/services?type=placement",
    );
    await keystone.call("POST", "/regions", { region: { id: region } });
    const endpoint = { service_id: services[0]?.id, interface: "public", region_id: region, url };
    await keystone.call("POST", "/endpoints", { endpoint });
  }

  describe("the service itself", () => {
    test("can log in in every way that the options describe", async () => {
      const credential = await makeApplicationCredential(keystone, "for the service");
      const nobody = {
        username: undefined,
        userDomainId: undefined,
        password: undefined,
        projectName: undefined,
        projectDomainName: undefined,
      };
      const ways: KeystoneOverrides[] = [
        { authType: "v3password", userDomainId: undefined, userDomainName: "Default" },
        { userDomainId: undefined, projectDomainName: undefined, defaultDomainId: "default" },
        {
          username: "admin",
          password: "admin-password",
          projectName: undefined,
          systemScope: "all",
        },
        {
          username: "admin",
          password: "admin-password",
          projectName: undefined,
          domainId: "default",
        },
        { authUrl: keystone.url.replace("/v3", ""), regionName: "here", interface: "public" },
        { regionName: "elsewhere" },
        {
          ...nobody,
          authType: "v3applicationcredential",
          applicationCredentialId: credential.id,
          applicationCredentialSecret: credential.secret,
        },
        {
          ...nobody,
          authType: "v3applicationcredential",
          username: "admin",
          userDomainName: "Default",
          applicationCredentialName: "for the service",
          applicationCredentialSecret: credential.secret,
        },
      ];
      for (const way of ways) {
        const other = await startOther(way);
        expect((await ask(other, { "x-auth-token": tokens.admin })).status).toBe(200);
      }
    });

    test("that is refused answers 503, and tells its operator why, but not its client", async () => {
      const other = await startOther({ password: "wrong" });
      const reply = await ask(other, { "x-auth-token": tokens.admin });
      expect(reply.status).toBe(503);
      expect(reply.text).not.toContain("127.0.0.1");
      expect(other.log.join("\n")).toContain("refuses the service's own login with status 401");
    });

    test("logs in anew when Keystone has new keys", async () => {
      await keystone.replaceKeys();
      const old = await ask(await startOther({}), { "x-auth-token": tokens.admin });
      tokens = await logInAll(keystone);
      const renewed = await ask(stowage, { "x-auth-token": tokens.admin });
      expect([old.status, renewed.status]).toEqual([401, 200]);
    });

    test("goes on with cached tokens while Keystone is away, and recovers when it is back", async () => {
      const other = await startOther({ httpRequestMaxRetries: 0 });
      const known = { "x-auth-token": tokens.admin };
      const unknown = { "x-auth-token": await keystone.logIn(PERSONAS.nova) };
      await ask(other, known);
      await keystone.stop();
      const cached = await ask(other, known);
      const uncached = await ask(other, unknown);
      await keystone.start();
      const recovered = await ask(other, unknown);
      expect([cached.status, uncached.status, recovered.status]).toEqual([200, 503, 200]);
      expect(uncached.text).toContain("The Keystone service is temporarily unavailable.");
    });
  });

  /** Not with the client of other tests, which sends a token of its own. */
  async function ask(
    { client }: LocalStowage,
    headers: Readonly<Record<string, string>>,
  ): Promise<Answer> {
    const version = { "openstack-api-version": "placement 1.39" };
    const reply = await fetch(client.url + TRAITS, { headers: { ...version, ...headers } });
    const { status } = reply;
    return { status, headers: Object.fromEntries(reply.headers), text: await reply.text() };
  }
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

async function logInAll(keystone: RealKeystone): Promise<Record<Persona, string>> {
  const entries = Object.entries(PERSONAS).map(
    async ([name, login]) => [name, await keystone.logIn(login)] as const,
  );
  return Object.fromEntries(await Promise.all(entries)) as Record<Persona, string>;
}

/** Of the administrator. */
async function makeApplicationCredential(
  keystone: RealKeystone,
  name: string,
  accessRules?: readonly object[],
) {
  const { users } = await keystone.call<{ users: { id: string }[] }>("GET", "/users?name=admin");
  const { application_credential: credential } = await keystone.call<{
    application_credential: { id: string; secret: string };
  }>("POST", `/users/${users[0]?.id}/application_credentials`, {
    application_credential: { name, ...(accessRules && { access_rules: accessRules }) },
  });
  const { id, secret } = credential;
  const identity = { methods: ["application_credential"], application_credential: { id, secret } };
  return { id, secret, login: { identity } };
}
