import { maskUserInfo } from "../../config/user-info.ts";
import { AuthenticationUnavailable } from "../authenticator.ts";
import type { KeystoneConnection } from "./connection.ts";
import { loginRequest, type KeystoneOptions, type LoginRequest } from "./login-request.ts";
import { readLogin, type CatalogEndpoint, type CatalogService } from "./token.ts";
import { v3Url } from "./v3-url.ts";

/** A login of the service itself. */
export interface ServiceLogin {
  readonly token: string;
  /** Where tokens are validated: the root of the v3 API. */
  readonly url: string;
  readonly renewAtMs: number;
}

/** A new token is fetched that long before the old one expires, as keystoneauth does. */
const RENEW_BEFORE_MS = 120_000;

/**
 * The service's own token: fetched when it is first needed, once for all who wait (single-flight), and renewed
 * in time.
 */
export class ServiceSession {
  readonly #connection: KeystoneConnection;
  readonly #warn: (message: string) => void;
  readonly #authUrl: string;
  readonly #request: LoginRequest;
  readonly #endpoint: Pick<KeystoneOptions, "interface" | "regionName">;
  #session: ServiceLogin | undefined;
  #login: Promise<ServiceLogin> | undefined;
  #hasWarned = false;

  /** @throws ConfigError when the configuration does not say how to log in */
  constructor(
    options: KeystoneOptions,
    connection: KeystoneConnection,
    warn: (message: string) => void,
  ) {
    this.#connection = connection;
    this.#warn = warn;
    this.#authUrl = v3Url(options.authUrl ?? "");
    this.#request = loginRequest(options);
    this.#endpoint = options;
  }

  /** @throws AuthenticationUnavailable when Keystone is away or refuses the service */
  async get(): Promise<ServiceLogin> {
    if (this.#session && Date.now() < this.#session.renewAtMs) return this.#session;
    this.#login ??= this.#logIn().finally(() => (this.#login = undefined));
    return this.#login;
  }

  /** Keystone does not believe this session any more: the next one to ask gets a new one. */
  drop(session: ServiceLogin): void {
    if (this.#session === session) this.#session = undefined;
  }

  async #logIn(): Promise<ServiceLogin> {
    const requestedAtMs = Date.now();
    const url = `${this.#authUrl}/auth/tokens`;
    const reply = await this.#connection.send({ method: "POST", url, body: this.#request });
    if (reply.status !== 201) {
      throw new AuthenticationUnavailable(
        `${maskUserInfo(url)} refuses the service's own login with status ${reply.status}; check the ` +
          "credentials in [keystone_authtoken]",
      );
    }
    const token = reply.headers["x-subject-token"];
    const details = readLogin(reply.body);
    if (typeof token !== "string" || !details) {
      throw new AuthenticationUnavailable(
        `${maskUserInfo(url)} answered something that is not a token`,
      );
    }
    const lifetimeMs = details.expiresAtMs - requestedAtMs;
    // Half of a life that is too short for that: else each request would fetch a token.
    const renewAtMs = details.expiresAtMs - Math.min(RENEW_BEFORE_MS, lifetimeMs / 2);
    this.#session = { token, url: this.#findUrl(details.catalog), renewAtMs };
    return this.#session;
  }

  /** The endpoint for services in this region, which need not be the one to log in at. */
  #findUrl(catalog: readonly CatalogService[]): string {
    const { interface: wanted, regionName } = this.#endpoint;
    const endpoint = catalog
      .filter(({ type }) => type === "identity")
      .flatMap(({ endpoints = [] }) => endpoints)
      .find((candidate) => isOf(candidate, wanted) && isIn(candidate, regionName));
    if (endpoint) return v3Url(endpoint.url);
    if (!this.#hasWarned) {
      const region = regionName ? ` in region ${regionName}` : "";
      this.#warn(
        `The catalog has no ${wanted} endpoint of Keystone${region}; using ${maskUserInfo(this.#authUrl)}`,
      );
    }
    this.#hasWarned = true;
    return this.#authUrl;
  }
}

/** Old configurations say `internalURL`. */
function isOf(endpoint: CatalogEndpoint, wanted: string): boolean {
  return endpoint.interface === wanted.replace(/URL$/, "");
}

function isIn(
  { region, region_id: regionId }: CatalogEndpoint,
  wanted: string | undefined,
): boolean {
  return !wanted || region === wanted || regionId === wanted;
}
