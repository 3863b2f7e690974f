import type { IncomingHttpHeaders } from "node:http";
import type { Credentials } from "./credentials.ts";

/** What a request wants: some tokens are good for a part of the API only. */
export interface RequestTarget {
  readonly method: string;
  /**
   * With the prefix that the configuration names, percent-encoded, without the query. What a request
   * says of its prefix does not count: it would say what it may do.
   */
  readonly path: string;
  /** The address that it comes from: peers take turns where something has to be waited for. */
  readonly peer?: string;
}

/**
 * Tells who a request comes from, by its headers.
 *
 * @throws Unauthenticated when it does not say so in a way that is believed
 *
 * @throws AuthenticationUnavailable when nobody can tell at the moment
 */
export type Authenticator = (
  headers: IncomingHttpHeaders,
  target: RequestTarget,
) => Credentials | Promise<Credentials>;

/** The request does not say who it is from, or is not believed: 401. The message is for the log. */
export class Unauthenticated extends Error {
  /** For the header `WWW-Authenticate`: where to get a token. */
  readonly challenge: string | undefined;

  constructor(message: string, challenge?: string) {
    super(message);
    this.challenge = challenge;
  }
}

/** Whoever vouches for tokens gives no answer: 503. The message is for the log. */
export class AuthenticationUnavailable extends Error {}
