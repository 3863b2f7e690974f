import { expect, test } from "vitest";

import { defaultConfig } from "../../config/config.ts";
import { describeRisks } from "./risks.ts";

function risksOf(connection: string, authStrategy: "keystone" | "noauth2" = "keystone"): string[] {
  return describeRisks(defaultConfig({ api: { authStrategy }, placementDatabase: { connection } }));
}

test.each([
  ["mysql://u:hidden@db.example.org/d", "db.example.org"],
  ["mysql://u@10.0.0.1/d?ssl_mode=PREFERRED", "10.0.0.1"],
  ["mysql://u@[fd00::1]/d?ssl_disabled=true", "fd00::1"],
  ["postgresql://u@db.example.org/d", "db.example.org"],
  ["postgresql://u@db.example.org/d?sslmode=prefer", "db.example.org"],
  ["postgresql://u@h/d?sslmode=disable&host=other", "other"],
])("a database that may be reached in the clear is warned of: %s", (connection, host) => {
  expect(risksOf(connection)).toEqual([
    expect.stringContaining(`the connection to ${host} is encrypted`),
  ]);
  expect(risksOf(connection).join()).not.toContain("hidden");
});

test.each([
  "sqlite://",
  "mysql://u@localhost/d",
  "mysql://u@127.0.0.1/d",
  "mysql://u@h/d?unix_socket=/run/mysqld.sock",
  "mysql://u@h/d?ssl_ca=/ca.pem",
  "postgresql://u@[::1]/d",
  "postgresql://u@/d",
  "postgresql://u@h/d?sslmode=require",
  "postgresql://u@h/d?sslmode=verify-full",
])("one on this machine, or with encryption, is not: %s", (connection) => {
  expect(risksOf(connection)).toEqual([]);
});

test("that nobody is asked for a password is warned of", () => {
  expect(risksOf("sqlite://", "noauth2")).toEqual([expect.stringContaining("noauth2: nobody")]);
});

test("DevStack's plugin that counts queries is said to have no effect", () => {
  expect(risksOf("mysql://u@localhost/d?charset=utf8&plugin=dbcounter")).toEqual([
    expect.stringContaining("plugin=dbcounter has no effect"),
  ]);
});
