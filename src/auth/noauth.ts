import type { IncomingHttpHeaders } from "node:http";
import { NO_CREDENTIALS, type Credentials } from "./credentials.ts";
import { Unauthenticated } from "./authenticator.ts";

/**
 * `auth_strategy = noauth2`: every token is believed. It reads `user[:project]`; the user `admin`
 * has the role of that name. `X-Roles` and `X-Project-Id` say otherwise, and
 * `OpenStack-System-Scope` makes the token a system-scoped one. For tests and first looks.
 */
export function authenticateWithoutKeystone(headers: IncomingHttpHeaders): Credentials {
  const token = headers["x-auth-token"];
  if (token === undefined) throw new Unauthenticated("no token");
  const [user = "", project] = String(token).split(/:(.*)/s);
  const systemScope = text(headers["openstack-system-scope"]);
  return {
    ...NO_CREDENTIALS,
    userId: user,
    projectId: text(headers["x-project-id"]) ?? (systemScope ? undefined : project || user),
    domainId: text(headers["x-domain-id"]),
    systemScope,
    roles: rolesOf(user, headers["x-roles"]),
  };
}

function rolesOf(user: string, header: string | string[] | undefined): readonly string[] {
  if (header === undefined) return user === "admin" ? ADMIN : NONE;
  const roles = String(header).split(",");
  return roles.map((role) => role.trim()).filter((role) => role !== "");
}

const ADMIN = Object.freeze(["admin"]);
const NONE = Object.freeze([]);

function text(header: string | string[] | undefined): string | undefined {
  return header === undefined || header === "" ? undefined : String(header);
}
