import { expect, test } from "vitest";

import { defaultConfig } from "../../config/config.ts";
import { describeOptions } from "./logged-options.ts";

test("options are told with their values, but for secrets and what has no effect", () => {
  const lines = describeOptions(
    defaultConfig({
      placementDatabase: {
        connection: "mysql+pymysql://placement:hidden@db/placement",
        connectionParameters: "password=hidden",
      },
      keystoneAuthtoken: {
        username: "placement",
        password: "hidden",
        authUrl: "https://proxy:hid/den@keystone:5000/v3",
        wwwAuthenticateUri: 'https://proxy:"hidden"@keystone',
      },
      cors: { allowedOrigin: ["https://a:hidden@b", "https://c"] },
    }),
  );
  expect(lines).toEqual(
    expect.arrayContaining([
      '[api] auth_strategy = "keystone"',
      "[placement_database] connection = ***",
      '[keystone_authtoken] username = "placement"',
      "[keystone_authtoken] password = ***",
      "[keystone_authtoken] user_id =",
      "[placement_database] connection_parameters = ***",
      '[keystone_authtoken] auth_url = "https://***@keystone:5000/v3"',
      '[keystone_authtoken] www_authenticate_uri = "https://***@keystone"',
      '[cors] allowed_origin = ["https://***@b","https://c"]',
    ]),
  );
  const text = lines.join("\n");
  expect(text).not.toMatch(/hid|den@/);
  expect(text).not.toContain("memcached");
});
