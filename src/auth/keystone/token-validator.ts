import { hash } from "node:crypto";
import { maskUserInfo } from "../../config/user-info.ts";
import { AuthenticationUnavailable } from "../authenticator.ts";
import type { KeystoneConnection, KeystoneReply } from "./connection.ts";
import type { KeystoneOptions } from "./login-request.ts";
import type { ServiceSession, ServiceLogin } from "./service-session.ts";
import { FairQueue, QueueFull } from "./fair-queue.ts";
import { RecentKeys } from "./recent-keys.ts";
import { TokenCache } from "./token-cache.ts";
import { readToken, type Token } from "./token.ts";

/** The token is not valid. The message says why, for the log. */
export class InvalidToken extends Error {}

/** A large fleet has one token per host and hour. */
const MAX_CACHED = { tokens: 20_000, bytes: 32 * 1024 * 1024 };

/**
 * Fernet tokens are base64url, signed ones (JWS) have dots in between, and the UUIDs of old are hex. The
 * longest that Keystone makes has less than a kilobyte. Nothing else can be one of its tokens.
 */
const PLAUSIBLE = /^[\w.=-]{1,2048}$/;

/** So long nobody asks again about a token that Keystone does not know; it may come to know it. */
const REFUSED_FOR_MS = 5_000;
const MAX_REFUSED = 10_000;

/** So long a token that was valid goes before those of which nothing is known. */
const TRUSTED_FOR_MS = 24 * 3600 * 1000;
const MAX_TRUSTED = 50_000;

/** As many as there are connections; and a second's worth of them, at 50 ms a validation, may wait. */
const VALIDATIONS = { running: 64, runningOfPeer: 48, waiting: 1280 };

/**
 * Finds out what a token stands for: from the cache, or from Keystone, which is asked once for all requests that
 * come with one token meanwhile (single-flight).
 */
export class TokenValidator {
  readonly #connection: KeystoneConnection;
  readonly #session: ServiceSession;
  readonly #cache: TokenCache;
  readonly #refused = new RecentKeys(REFUSED_FOR_MS, MAX_REFUSED);
  readonly #trusted = new RecentKeys(TRUSTED_FOR_MS, MAX_TRUSTED);
  readonly #queue = new FairQueue(VALIDATIONS);
  readonly #underway = new Map<string, Promise<Token>>();

  constructor(options: KeystoneOptions, connection: KeystoneConnection, session: ServiceSession) {
    this.#connection = connection;
    this.#session = session;
    this.#cache = new TokenCache(options.tokenCacheTime * 1000, MAX_CACHED);
  }

  /**
   * @param allowExpired whether the token may have expired, as long ago as Keystone's
   * `allow_expired_window` admits
   *
   * @param peer whom it comes from: peers take turns where many tokens have to be asked about
   *
   * @throws InvalidToken
   *
   * @throws AuthenticationUnavailable
   */
  async validate(token: string, allowExpired: boolean, peer: string): Promise<Token> {
    if (!PLAUSIBLE.test(token)) throw new InvalidToken("it cannot be a token of Keystone's");
    const key = hash("sha256", token, "base64");
    const found = this.#cache.get(key) ?? (await this.#askOnce(key, token, allowExpired, peer));
    if (!allowExpired && found.expiresAtMs <= Date.now()) throw new InvalidToken("it has expired");
    return found;
  }

  /** Requests that come with the same token at the same time share one answer. */
  #askOnce(key: string, token: string, allowExpired: boolean, peer: string): Promise<Token> {
    const question = `${key} ${allowExpired}`;
    if (this.#refused.has(question)) {
      throw new InvalidToken("Keystone did not know it a moment ago");
    }
    let answer = this.#underway.get(question);
    if (!answer) {
      answer = this.#askInTurn(key, token, allowExpired, peer)
        .then((found) => {
          this.#cache.set(key, found);
          this.#trusted.add(key);
          return found;
        })
        .catch((error: unknown) => {
          if (error instanceof InvalidToken) this.#refused.add(question);
          throw error;
        })
        .finally(() => this.#underway.delete(question));
      this.#underway.set(question, answer);
    }
    return answer;
  }

  async #askInTurn(
    key: string,
    token: string,
    allowExpired: boolean,
    peer: string,
  ): Promise<Token> {
    try {
      return await this.#queue.run(peer, this.#trusted.has(key), () =>
        this.#ask(token, allowExpired),
      );
    } catch (error) {
      if (error instanceof InvalidToken) this.#trusted.delete(key);
      if (!(error instanceof QueueFull)) throw error;
      throw new AuthenticationUnavailable("too many tokens wait for their validation");
    }
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

  #send(token: string, allowExpired: boolean, session: ServiceLogin): Promise<KeystoneReply> {
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

function describe({ status }: KeystoneReply, session: ServiceLogin): string {
  const url = maskUserInfo(session.url);
  if (status === 200) return `${url} answered something that is not a token`;
  if (status === 401 || status === 403) {
    return `${url} does not let the service validate tokens: status ${status}`;
  }
  return `${url} answered with status ${status}`;
}
