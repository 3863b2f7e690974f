import { expect, test } from "vitest";

import { defaultConfig } from "../../config/config.ts";
import { describeOptions } from "./logged-options.ts";

test("options are told with their values, but for secrets and what has no effect", () => {
  const lines = describeOptions(
    defaultConfig({
      placementDatabase: { connection: "mysql+pymysql://placement:hidden@db/placement" },
      keystoneAuthtoken: { username: "placement", password: "hidden" },
    }),
  );
  expect(lines).toEqual(
    expect.arrayContaining([
      '[api] auth_strategy = "keystone"',
      "[placement_database] connection = ***",
      '[keystone_authtoken] username = "placement"',
      "[keystone_authtoken] password = ***",
      "[keystone_authtoken] user_id =",
    ]),
  );
  const text = lines.join("\n");
  expect(text).not.toContain("hidden");
  expect(text).not.toContain("memcached");
});
