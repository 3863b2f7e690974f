import { describe, expect, test } from "vitest";

import { ConfigError } from "../../config/config-error.ts";
import { defaultConfig, type ConfigOverrides } from "../../config/config.ts";
import { loginRequest } from "./login-request.ts";

type Overrides = ConfigOverrides["keystoneAuthtoken"];

function authFor(options: Overrides) {
  return loginRequest(defaultConfig({ keystoneAuthtoken: options }).keystoneAuthtoken).auth;
}

const PASSWORD = { authType: "password", username: "placement", password: "secret" };
const USER = { ...PASSWORD, userDomainId: "default" };

describe("with a password, the service", () => {
  test("names its user by id before name, each in its domain", () => {
    expect(authFor({ ...PASSWORD, userDomainName: "Default" }).identity).toEqual({
      methods: ["password"],
      password: {
        user: { name: "placement", domain: { name: "Default" }, password: "secret" },
      },
    });
    expect(authFor({ ...USER, userId: "1" }).identity).toMatchObject({
      password: { user: { id: "1", password: "secret" } },
    });
    expect(authFor({ ...PASSWORD, defaultDomainId: "default" }).identity).toMatchObject({
      password: { user: { domain: { id: "default" } } },
    });
  });

  test.for<[Overrides, object | undefined]>([
    [{}, undefined],
    [{ projectId: "1", projectName: "service" }, { project: { id: "1" } }],
    [
      { projectName: "service", projectDomainName: "Default" },
      { project: { name: "service", domain: { name: "Default" } } },
    ],
    [
      { projectName: "service", defaultDomainName: "Default" },
      { project: { name: "service", domain: { name: "Default" } } },
    ],
    [{ domainName: "Default" }, { domain: { name: "Default" } }],
    [{ trustId: "1" }, { "OS-TRUST:trust": { id: "1" } }],
    [{ systemScope: "all" }, { system: { all: true } }],
    [{ systemScope: "all", projectId: "1" }, { project: { id: "1" } }],
  ])("asks for the scope that %j describes", ([options, scope]) => {
    expect(authFor({ ...USER, ...options }).scope).toEqual(scope);
  });
});

describe("with an application credential, the service", () => {
  const credential = { authType: "v3applicationcredential", applicationCredentialSecret: "secret" };

  test("names it by id, or by name and user", () => {
    const byId = authFor({ ...credential, applicationCredentialId: "1" });
    const byName = authFor({ ...credential, applicationCredentialName: "one", userId: "2" });
    expect(byId).toEqual({
      identity: {
        methods: ["application_credential"],
        application_credential: { id: "1", secret: "secret" },
      },
    });
    expect(byName.identity).toMatchObject({
      application_credential: { name: "one", user: { id: "2" }, secret: "secret" },
    });
  });

  test("needs the whole of it", () => {
    const { applicationCredentialSecret: _, ...withoutSecret } = credential;
    expect(() => authFor(credential)).toThrow(/application_credential_id is not set/);
    expect(() => authFor({ ...withoutSecret, applicationCredentialId: "1" })).toThrow(
      /application_credential_secret is not set/,
    );
    expect(() => authFor({ ...credential, applicationCredentialName: "one" })).toThrow(
      /application_credential_name needs a username/,
    );
  });
});

test.for<[Overrides, RegExp]>([
  [{}, /auth_type must be password, .* but is not set/],
  [{ authType: "v2password" }, /auth_type must be .* but is "v2password"/],
  [{ authType: "password", password: "secret" }, /username \(or user_id\) is not set/],
  [{ authType: "password", userId: "1" }, /password is not set/],
  [PASSWORD, /username needs a user_domain_id/],
  [{ ...USER, projectName: "service" }, /project_name needs a project_domain_id/],
  [{ ...USER, projectId: "1", domainId: "1" }, /more than one of a project, a domain and a trust/],
  [{ ...USER, systemScope: "some" }, /system_scope must be all, but is "some"/],
])("what Keystone could make nothing of is refused: %j", ([options, message]) => {
  expect(() => authFor(options)).toThrow(ConfigError);
  expect(() => authFor(options)).toThrow(message);
});
