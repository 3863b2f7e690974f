/** Who asks, as the token (or `noauth2`) tells it: everything that a policy rule may look at. */
export interface Credentials {
  readonly userId: string | undefined;
  readonly userDomainId: string | undefined;
  /** Set for a project-scoped token. */
  readonly projectId: string | undefined;
  readonly projectDomainId: string | undefined;
  /** Set for a domain-scoped token only; not the domain of the user or the project. */
  readonly domainId: string | undefined;
  /** Set for a system-scoped token; `all` is the whole deployment. */
  readonly systemScope: string | undefined;
  readonly roles: readonly string[];
  /** Whether the project is Keystone's admin project; true where Keystone does not say. */
  readonly isAdminProject: boolean;
  /** Only where rules are to see an `is_admin`; Placement itself never sets it. */
  readonly isAdmin?: boolean;
  /** Of the service token that came along. Its roles are never lent to the user. */
  readonly serviceUserId: string | undefined;
  readonly serviceUserDomainId: string | undefined;
  readonly serviceProjectId: string | undefined;
  readonly serviceProjectDomainId: string | undefined;
  readonly serviceRoles: readonly string[];
  /** When the token ends, in milliseconds since 1970; undefined for one that does not. */
  readonly expiresAtMs?: number;
}

/** What is not known about somebody, to be spread below what is known. */
export const NO_CREDENTIALS: Credentials = {
  userId: undefined,
  userDomainId: undefined,
  projectId: undefined,
  projectDomainId: undefined,
  domainId: undefined,
  systemScope: undefined,
  roles: [],
  isAdminProject: true,
  serviceUserId: undefined,
  serviceUserDomainId: undefined,
  serviceProjectId: undefined,
  serviceProjectDomainId: undefined,
  serviceRoles: [],
};

/** A value that a rule can compare; `null` reads as `None`, as in Python. */
export type PolicyValue = string | boolean | null | readonly PolicyValue[] | PolicyValues;

export interface PolicyValues {
  readonly [name: string]: PolicyValue;
}

/**
 * The credentials under the names that rules in policy files use: those of oslo.context's
 * `RequestContext.to_policy_values`, and `system`, which oslo.policy's `Enforcer.enforce` adds.
 */
export function policyValues(credentials: Credentials): PolicyValues {
  return {
    user_id: credentials.userId ?? null,
    user_domain_id: credentials.userDomainId ?? null,
    system_scope: credentials.systemScope ?? null,
    domain_id: credentials.domainId ?? null,
    project_id: credentials.projectId ?? null,
    project_domain_id: credentials.projectDomainId ?? null,
    roles: credentials.roles,
    is_admin_project: credentials.isAdminProject,
    service_user_id: credentials.serviceUserId ?? null,
    service_user_domain_id: credentials.serviceUserDomainId ?? null,
    service_project_id: credentials.serviceProjectId ?? null,
    service_project_domain_id: credentials.serviceProjectDomainId ?? null,
    service_roles: credentials.serviceRoles,
    ...(credentials.systemScope ? { system: credentials.systemScope } : {}),
    ...(credentials.isAdmin === undefined ? {} : { is_admin: credentials.isAdmin }),
  };
}
