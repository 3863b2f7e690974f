import { ConfigError } from "../../config/config-error.ts";
import type { Config } from "../../config/config.ts";

export type KeystoneOptions = Config["keystoneAuthtoken"];

/** The body of `POST /v3/auth/tokens`: how the service itself logs in. */
export interface LoginRequest {
  readonly auth: { readonly identity: object; readonly scope?: object };
}

type Domain = { readonly id: string } | { readonly name: string };

/**
 * The login that the configuration describes, by the precedence of keystoneauth's plugins: ids
 * before names, domain before project before trust before system.
 *
 * @throws ConfigError when Keystone could not make anything of it
 */
export function loginRequest(options: KeystoneOptions): LoginRequest {
  switch (options.authType) {
    case "password":
    case "v3password":
      return { auth: { identity: passwordIdentity(options), ...scopeOf(options) } };
    case "v3applicationcredential":
      // Its scope is that of the credential.
      return { auth: { identity: applicationCredentialIdentity(options) } };
    default:
      throw wrong(
        "auth_type",
        `must be password, v3password or v3applicationcredential, ${found(options.authType)}`,
      );
  }
}

function passwordIdentity(options: KeystoneOptions): object {
  const user = userOf(options);
  if (!user) throw wrong("username", "(or user_id) is not set");
  if (!options.password) throw wrong("password", "is not set");
  return { methods: ["password"], password: { user: { ...user, password: options.password } } };
}

function applicationCredentialIdentity(options: KeystoneOptions): object {
  const { applicationCredentialId: id, applicationCredentialName: name } = options;
  const secret = options.applicationCredentialSecret;
  if (!secret) throw wrong("application_credential_secret", "is not set");
  if (!id && !name) throw wrong("application_credential_id", "is not set");
  const user = id ? undefined : userOf(options);
  if (!id && !user) throw wrong("application_credential_name", "needs a username or user_id");
  return {
    methods: ["application_credential"],
    application_credential: id ? { id, secret } : { name, user, secret },
  };
}

function userOf(options: KeystoneOptions): object | undefined {
  if (options.userId) return { id: options.userId };
  if (!options.username) return undefined;
  const domain = domainOf(
    options.userDomainId || options.defaultDomainId,
    options.userDomainName || options.defaultDomainName,
  );
  if (!domain) throw wrong("username", "needs a user_domain_id or user_domain_name");
  return { name: options.username, domain };
}

function scopeOf(options: KeystoneOptions): { readonly scope?: object } {
  const { domainId, domainName, projectId, projectName, trustId, systemScope } = options;
  const targets = [domainId || domainName, projectId || projectName, trustId];
  if (targets.filter(Boolean).length > 1) {
    throw new ConfigError(
      "[keystone_authtoken] names more than one of a project, a domain and a trust; the service " +
        "can log in to one only",
    );
  }
  const domain = domainOf(domainId, domainName);
  if (domain) return { scope: { domain } };
  if (projectId) return { scope: { project: { id: projectId } } };
  if (projectName) return { scope: { project: namedProject(projectName, options) } };
  if (trustId) return { scope: { "OS-TRUST:trust": { id: trustId } } };
  if (!systemScope) return {};
  if (systemScope !== "all") throw wrong("system_scope", `must be all, ${found(systemScope)}`);
  return { scope: { system: { all: true } } };
}

function namedProject(name: string, options: KeystoneOptions): object {
  const domain = domainOf(
    options.projectDomainId || options.defaultDomainId,
    options.projectDomainName || options.defaultDomainName,
  );
  if (!domain) throw wrong("project_name", "needs a project_domain_id or project_domain_name");
  return { name, domain };
}

function domainOf(id: string | undefined, name: string | undefined): Domain | undefined {
  if (id) return { id };
  return name ? { name } : undefined;
}

function found(value: string | undefined): string {
  return value ? `but is ${JSON.stringify(value)}` : "but is not set";
}

function wrong(option: string, what: string): ConfigError {
  return new ConfigError(`[keystone_authtoken] ${option} ${what}`);
}
