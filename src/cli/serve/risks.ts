import type { Config } from "../../config/config.ts";

/** What is allowed but should not go unnoticed: a warning each, for the log. */
export function describeRisks({ api }: Config): string[] {
  return api.authStrategy === "noauth2" ? [NOAUTH2] : [];
}

const NOAUTH2 =
  "[api] auth_strategy = noauth2: nobody is asked for a password, and whoever reaches the service may be " +
  "an administrator; a proxy in front of it lets in whoever reaches the proxy";
