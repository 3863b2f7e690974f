import { Ajv, type ValidateFunction } from "ajv";
import { NO_CREDENTIALS, type Credentials } from "../credentials.ts";
import type { AccessRule } from "./access-rules.ts";

/** What is kept of what Keystone says about a token. */
export interface Token {
  readonly credentials: Credentials;
  readonly expiresAtMs: number;
  /** Of a restricted application credential: the only requests that it is good for. */
  readonly accessRules: readonly AccessRule[] | undefined;
  /** The types of the services in its catalog, where it has access rules, which speak of them. */
  readonly serviceTypes: readonly string[];
}

/** What Keystone says about a login: where its services are, too. */
interface Login {
  readonly expiresAtMs: number;
  readonly catalog: readonly CatalogService[];
}

export interface CatalogService {
  readonly type: string;
  readonly endpoints?: readonly CatalogEndpoint[];
}

export interface CatalogEndpoint {
  readonly interface: string;
  readonly url: string;
  readonly region?: string | null;
  readonly region_id?: string | null;
}

/** `undefined` when the body is not what `/v3/auth/tokens` answers. */
export function readToken(body: unknown): Token | undefined {
  if (!isTokenBody(body)) return undefined;
  const { token } = body;
  const expiresAtMs = Date.parse(token.expires_at);
  if (Number.isNaN(expiresAtMs)) return undefined;
  const accessRules = token.application_credential?.access_rules ?? undefined;
  return {
    credentials: credentialsOf(token),
    expiresAtMs,
    accessRules: accessRules?.map(({ service, method, path }) => ({ service, method, path })),
    serviceTypes: accessRules
      ? [...new Set((token.catalog ?? []).map(({ type }) => type))]
      : NO_TYPES,
  };
}

const NO_TYPES: readonly string[] = [];

/** The same for the answer to a login. */
export function readLogin(body: unknown): Login | undefined {
  if (!isTokenBody(body)) return undefined;
  const expiresAtMs = Date.parse(body.token.expires_at);
  if (Number.isNaN(expiresAtMs)) return undefined;
  return { expiresAtMs, catalog: body.token.catalog ?? [] };
}

function credentialsOf(token: TokenBody["token"]): Credentials {
  return Object.freeze({
    ...NO_CREDENTIALS,
    userId: token.user.id,
    userDomainId: token.user.domain?.id,
    projectId: token.project?.id,
    projectDomainId: token.project?.domain?.id,
    domainId: token.domain?.id,
    systemScope: token.system?.all ? "all" : undefined,
    roles: Object.freeze((token.roles ?? []).map(({ name }) => name)),
    isAdminProject: token.is_admin_project ?? true,
    expiresAtMs: Date.parse(token.expires_at),
  });
}

interface Identified {
  readonly id: string;
}

interface TokenBody {
  readonly token: {
    readonly expires_at: string;
    readonly user: Identified & { readonly domain?: Identified };
    readonly project?: Identified & { readonly domain?: Identified };
    readonly domain?: Identified;
    readonly system?: { readonly all?: boolean };
    readonly roles?: readonly { readonly name: string }[];
    readonly is_admin_project?: boolean;
    readonly application_credential?: { readonly access_rules?: readonly AccessRule[] | null };
    readonly catalog?: readonly CatalogService[];
  };
}

const text = { type: "string" };
const optionalText = { type: ["string", "null"] };
const domain = { type: "object", required: ["id"], properties: { id: text } };
const inDomain = { type: "object", required: ["id"], properties: { id: text, domain } };
const accessRule = {
  type: "object",
  required: ["service", "method", "path"],
  properties: { service: text, method: text, path: text },
};
const endpoint = {
  type: "object",
  required: ["interface", "url"],
  properties: { interface: text, url: text, region: optionalText, region_id: optionalText },
};
const service = {
  type: "object",
  required: ["type"],
  properties: { type: text, endpoints: { type: "array", items: endpoint } },
};
const token = {
  type: "object",
  required: ["expires_at", "user"],
  properties: {
    expires_at: text,
    user: inDomain,
    project: inDomain,
    domain,
    system: { type: "object", properties: { all: { type: "boolean" } } },
    roles: {
      type: "array",
      items: { type: "object", required: ["name"], properties: { name: text } },
    },
    is_admin_project: { type: "boolean" },
    application_credential: {
      type: "object",
      properties: { access_rules: { type: ["array", "null"], items: accessRule } },
    },
    catalog: { type: "array", items: service },
  },
};

let validator: ValidateFunction<TokenBody> | undefined;

/** Compiled when it is first needed: most commands, and services without Keystone, never do. */
function isTokenBody(body: unknown): body is TokenBody {
  validator ??= new Ajv({ allowUnionTypes: true }).compile<TokenBody>({
    type: "object",
    required: ["token"],
    properties: { token },
  });
  return validator(body);
}
