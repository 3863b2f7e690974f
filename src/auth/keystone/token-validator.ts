import { hash } from "node:crypto";
import { AuthenticationUnavailable } from "../authenticator.ts";
import type { KeystoneConnection, KeystoneReply } from "./connection.ts";
import type { KeystoneOptions } from "./login-request.ts";
import type { ServiceSession, Session } from "./service-session.ts";
import { TokenCache } from "./token-cache.ts";
import { readToken, type Token } from "./token.ts";

/** The token is not valid. The message says why, for the log. */
export class InvalidToken extends Error {}

/** About a kilobyte each. A large fleet has one token per host and hour. */
const MAX_CACHED_TOKENS = 20_000;

/** Keystone's own limit is 255 characters by default. Nothing else can be one of its tokens. */
const PLAUSIBLE = /^[\x21-\x7e]{1,8192}$/;

/** Finds out what a token stands for: from the cache, or from Keystone. */
export class TokenValidator {
  readonly #connection: KeystoneConnection;
  readonly #session: ServiceSession;
  readonly #cache: TokenCache;
  readonly #underway = new Map<string, Promise<Token>>();

  constructor(options: KeystoneOptions, connection: KeystoneConnection, session: ServiceSession) {
    this.#connection = connection;
    this.#session = session;
    this.#cache = new TokenCache(options.tokenCacheTime * 1000, MAX_CACHED_TOKENS);
  }

  /**
   * @param allowExpired whether the token may have expired, as long ago as Keystone's
   * `allow_expired_window` admits
   *
   * @throws InvalidToken
   *
   * @throws AuthenticationUnavailable
   */
  async validate(token: string, allowExpired: boolean): Promise<Token> {
    if (!PLAUSIBLE.test(token)) throw new InvalidToken("it cannot be a token of Keystone's");
    const key = hash("sha256", token, "base64");
    const found = this.#cache.get(key) ?? (await this.#askOnce(key, token, allowExpired));
    if (!allowExpired && found.expiresAtMs <= Date.now()) throw new InvalidToken("it has expired");
    return found;
  }

  /** Requests that come with the same token at the same time share one answer. */
  #askOnce(key: string, token: string, allowExpired: boolean): Promise<Token> {
    const question = `${key} ${allowExpired}`;
    let answer = this.#underway.get(question);
    if (!answer) {
      answer = this.#ask(token, allowExpired)
        .then((found) => {
          this.#cache.set(key, found);
          return found;
        })
        .finally(() => this.#underway.delete(question));
      this.#underway.set(question, answer);
    }
    return answer;
  }

  async #ask(token: string, allowExpired: boolean): Promise<Token> {
    let session = await this.#session.get();
    let reply = await this.#send(token, allowExpired, session);
    if (reply.status === 401) {
      // Our own token is refused: it was revoked, or Keystone has new keys.
      this.#session.drop(session);
      session = await this.#session.get();
      reply = await this.#send(token, allowExpired, session);
    }
    // Any other web server may answer 404, but not in JSON.
    if (reply.status === 404 && reply.body !== undefined) {
      throw new InvalidToken("Keystone does not know it");
    }
    const found = reply.status === 200 ? readToken(reply.body) : undefined;
    if (!found) throw new AuthenticationUnavailable(describe(reply, session));
    return found;
  }

  #send(token: string, allowExpired: boolean, session: Session): Promise<KeystoneReply> {
    return this.#connection.send({
      method: "GET",
      url: `${session.url}/auth/tokens${allowExpired ? "?allow_expired=1" : ""}`,
      headers: {
        "x-auth-token": session.token,
        "x-subject-token": token,
        // Without it, Keystone does not let on about application credentials that have rules.
        "openstack-identity-access-rules": "1",
      },
    });
  }
}

function describe({ status }: KeystoneReply, { url }: Session): string {
  if (status === 200) return `${url} answered something that is not a token`;
  if (status === 401 || status === 403) {
    return `${url} does not let the service validate tokens: status ${status}`;
  }
  return `${url} answered with status ${status}`;
}
