import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { AuthenticationUnavailable } from "../../src/auth/authenticator.ts";
import { createKeystoneAuthenticator } from "../../src/auth/keystone/keystone-authenticator.ts";
import { defaultConfig, type ConfigOverrides } from "../../src/config/config.ts";
import { makeFolder } from "../support/stowage.ts";
import { issueCertificate } from "../support/certificate.ts";
import { ActingKeystone } from "./acting-keystone.ts";

/** One certificate is the server's, the client's, and the authority that vouches for both. */
let folder: Awaited<ReturnType<typeof makeFolder>>;
let certificate: string;
let key: string;
let keystone: ActingKeystone;

beforeAll(async () => {
  folder = await makeFolder();
  certificate = join(folder.path, "certificate.pem");
  key = join(folder.path, "key.pem");
  issueCertificate({ certFile: certificate, keyFile: key }, "keystone", "IP:127.0.0.1");
  const [cert, keyText] = [readFileSync(certificate), readFileSync(key)];
  keystone = await ActingKeystone.start({ cert, key: keyText, ca: cert, requestCert: true });
  keystone.tokens.set("good", {});
});

afterAll(async () => {
  await keystone.stop();
  await folder.remove();
});

async function userSeenWith(overrides: ConfigOverrides["keystoneAuthtoken"]): Promise<unknown> {
  const { keystoneAuthtoken } = defaultConfig({
    keystoneAuthtoken: {
      authUrl: keystone.url,
      authType: "password",
      userId: "placement",
      password: "secret",
      httpRequestMaxRetries: 0,
      ...overrides,
    },
  });
  const log = { warn: () => {}, error: () => {} };
  const authenticate = createKeystoneAuthenticator(keystoneAuthtoken, log);
  const target = { method: "GET", path: "/traits" };
  return (await authenticate({ "x-auth-token": "good" }, target)).userId;
}

const CLIENT = () => ({ certfile: certificate, keyfile: key });

test("Keystone is believed when cafile vouches for it", async () => {
  expect(await userSeenWith({ cafile: certificate, ...CLIENT() })).toBe("a-user");
});

test("a Keystone that nobody vouches for is not believed", async () => {
  await expect(userSeenWith(CLIENT())).rejects.toThrow(AuthenticationUnavailable);
});

test("with insecure, any Keystone is believed", async () => {
  expect(await userSeenWith({ insecure: true, ...CLIENT() })).toBe("a-user");
});

test("Keystone may ask for a client certificate", async () => {
  await expect(userSeenWith({ cafile: certificate })).rejects.toThrow(AuthenticationUnavailable);
});
