import type { IncomingHttpHeaders } from "node:http";
import { ConfigError } from "../../config/config-error.ts";
import { maskUserInfo, withoutUserInfo } from "../../config/user-info.ts";
import type { Logger } from "../../observability/logger.ts";
import {
  AuthenticationUnavailable,
  Unauthenticated,
  type Authenticator,
  type RequestTarget,
} from "../authenticator.ts";
import type { Credentials } from "../credentials.ts";
import { isAdmitted } from "./access-rules.ts";
import { KeystoneConnection } from "./connection.ts";
import type { KeystoneOptions } from "./login-request.ts";
import { ServiceSession } from "./service-session.ts";
import type { Token } from "./token.ts";
import { InvalidToken, TokenValidator } from "./token-validator.ts";
import { v3Url } from "./v3-url.ts";

type KeystoneLogger = Pick<Logger, "warn" | "error">;

/**
 * `auth_strategy = keystone`: a token is worth what Keystone says about it, and nothing else that a
 * request says about its sender is looked at. Keystone is first asked when the first token comes.
 *
 * @throws ConfigError when `[keystone_authtoken]` does not say how to reach Keystone, or asks for
 * what there is not
 */
export function createKeystoneAuthenticator(
  options: KeystoneOptions,
  logger: KeystoneLogger,
): Authenticator {
  const warn = (message: string) => logger.warn(FROM_HERE, message);
  checkOptions(options);
  warnOfRisks(options, warn);
  const connection = new KeystoneConnection(options);
  const session = new ServiceSession(options, connection, warn);
  const validator = new TokenValidator(options, connection, session);
  const authenticator = new KeystoneAuthenticator(options, validator, logger);
  return (headers, target) => authenticator.authenticate(headers, target);
}

/**
 * Logs the service in, and has Keystone tell about the token that it gets, as it will about those of others.
 *
 * @param warn is told what the options open
 * @throws ConfigError as {@link createKeystoneAuthenticator}
 * @throws AuthenticationUnavailable when Keystone is away, or refuses the login or the question
 * @returns where tokens are validated
 */
export async function tryKeystone(
  options: KeystoneOptions,
  warn: (message: string) => void,
): Promise<string> {
  checkOptions(options);
  warnOfRisks(options, warn);
  const connection = new KeystoneConnection(options);
  const session = new ServiceSession(options, connection, warn);
  try {
    const { token, url } = await session.get();
    await new TokenValidator(options, connection, session).validate(token, false, "");
    return maskUserInfo(url);
  } catch (error) {
    if (!(error instanceof InvalidToken)) throw error;
    throw new AuthenticationUnavailable(`the service's own token is refused: ${error.message}`);
  }
}

const FROM_HERE = { component: "keystone" };

class KeystoneAuthenticator {
  readonly #options: KeystoneOptions;
  readonly #validator: TokenValidator;
  readonly #logger: KeystoneLogger;
  readonly #challenge: string;

  constructor(options: KeystoneOptions, validator: TokenValidator, logger: KeystoneLogger) {
    this.#options = options;
    this.#validator = validator;
    this.#logger = logger;
    this.#challenge = `Keystone uri="${publicUrl(options)}"`;
  }

  async authenticate(headers: IncomingHttpHeaders, target: RequestTarget): Promise<Credentials> {
    try {
      return await this.#identify(headers, target);
    } catch (error) {
      if (error instanceof InvalidToken) throw new Unauthenticated(error.message, this.#challenge);
      if (error instanceof AuthenticationUnavailable) {
        this.#logger.error(FROM_HERE, `A token cannot be validated: ${error.message}`);
      }
      throw error;
    }
  }

  async #identify(headers: IncomingHttpHeaders, target: RequestTarget): Promise<Credentials> {
    const userToken = tokenIn(headers, "x-auth-token") ?? tokenIn(headers, "x-storage-token");
    const serviceToken = tokenIn(headers, "x-service-token");
    const { peer = "" } = target;
    if (!userToken) throw new InvalidToken("there is no token");
    if (!serviceToken) {
      const user = await this.#validator.validate(userToken, false, peer);
      this.#checkAccessRules(user, target);
      return user.credentials;
    }
    const service = await this.#validateServiceToken(serviceToken, peer);
    // A service works on after the token has expired with which its user asked for the work; and
    // what it asks of us on the way is not what the user's access rules are about.
    const user = await this.#validator.validate(userToken, this.#hasServiceRole(service), peer);
    this.#checkServiceType(user);
    return withService(user.credentials, service.credentials);
  }

  async #validateServiceToken(token: string, peer: string): Promise<Token> {
    const service = await this.#validator.validate(token, false, peer).catch((error: unknown) => {
      if (!(error instanceof InvalidToken)) throw error;
      throw new InvalidToken(`the service token: ${error.message}`);
    });
    // It would let its owner past the very rules that restrict it.
    if (service.accessRules) {
      throw new InvalidToken("the service token: it has access rules, so it speaks for no service");
    }
    if (this.#options.serviceTokenRolesRequired && !this.#hasServiceRole(service)) {
      throw new InvalidToken("the service token has none of service_token_roles");
    }
    return service;
  }

  #hasServiceRole({ credentials }: Token): boolean {
    return credentials.roles.some((role) => this.#options.serviceTokenRoles.includes(role));
  }

  #checkAccessRules(token: Token, target: RequestTarget): void {
    const serviceType = this.#checkServiceType(token);
    if (!token.accessRules || serviceType === undefined) return;
    if (!isAdmitted(token.accessRules, serviceType, target)) {
      throw new InvalidToken("its access rules do not admit this request");
    }
  }

  /** Access rules speak of services by type, so we must know which one we are. */
  #checkServiceType({ accessRules, serviceTypes }: Token): string | undefined {
    if (!accessRules) return undefined;
    const { serviceType } = this.#options;
    if (serviceType && serviceTypes.includes(serviceType)) return serviceType;
    throw new InvalidToken(
      "it has access rules, and [keystone_authtoken] service_type is not a type in its catalog",
    );
  }
}

/** White space around a token is nobody's intention. An empty header is a token, an invalid one. */
function tokenIn(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return value === undefined ? undefined : String(value).trim();
}

/** The service's roles are for rules that ask for them; they are never lent to the user. */
function withService(user: Credentials, service: Credentials): Credentials {
  return {
    ...user,
    serviceUserId: service.userId,
    serviceUserDomainId: service.userDomainId,
    serviceProjectId: service.projectId,
    serviceProjectDomainId: service.projectDomainId,
    serviceRoles: service.roles,
  };
}

/** Where clients get tokens: told to everybody, so without the user and password of a URL. */
function publicUrl({ wwwAuthenticateUri, authUrl = "" }: KeystoneOptions): string {
  return withoutUserInfo(wwwAuthenticateUri || v3Url(authUrl));
}

function checkOptions({ delayAuthDecision, authUrl }: KeystoneOptions): void {
  if (delayAuthDecision) {
    throw new ConfigError(
      "[keystone_authtoken] delay_auth_decision = true is not supported: no part of this API is " +
        "open to requests without a valid token",
    );
  }
  if (!authUrl) throw new ConfigError("[keystone_authtoken] auth_url is not set");
  if (!/^https?:\/\//i.test(authUrl) || !URL.canParse(authUrl)) {
    throw new ConfigError(
      `[keystone_authtoken] auth_url must be an http or https URL, but is ${JSON.stringify(maskUserInfo(authUrl))}`,
    );
  }
}

function warnOfRisks(options: KeystoneOptions, warn: (message: string) => void): void {
  if (!options.wwwAuthenticateUri) {
    warn(
      "[keystone_authtoken] www_authenticate_uri is not set: clients without a token are sent to " +
        publicUrl(options),
    );
  }
  if (!options.serviceTokenRolesRequired) {
    warn(
      "[keystone_authtoken] service_token_roles_required = false: any valid token passes as a " +
        "service token, and with it the access rules of application credentials are passed by",
    );
  }
  if (options.insecure) {
    warn("[keystone_authtoken] insecure = true: whoever answers in Keystone's place is believed");
  }
}
