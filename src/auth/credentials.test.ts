import { expect, test } from "vitest";
import { NO_CREDENTIALS, policyValues } from "./credentials.ts";

test("rules see the attributes that oslo.context gives them", () => {
  expect(policyValues({ ...NO_CREDENTIALS, userId: "u", roles: ["reader"] })).toEqual({
    user_id: "u",
    user_domain_id: null,
    system_scope: null,
    domain_id: null,
    project_id: null,
    project_domain_id: null,
    roles: ["reader"],
    is_admin_project: true,
    service_user_id: null,
    service_user_domain_id: null,
    service_project_id: null,
    service_project_domain_id: null,
    service_roles: [],
  });
});

test("a system-scoped token has its scope under two names", () => {
  const values = policyValues({ ...NO_CREDENTIALS, systemScope: "all" });
  expect(values).toMatchObject({ system_scope: "all", system: "all" });
});

test("is_admin is there for rules only where somebody set it", () => {
  expect(policyValues(NO_CREDENTIALS)).not.toHaveProperty("is_admin");
  expect(policyValues({ ...NO_CREDENTIALS, isAdmin: true })).toMatchObject({ is_admin: true });
});
