import type { IncomingHttpHeaders } from "node:http";
import type { Credentials } from "./credentials.ts";

/**
 * Tells who a request comes from, by its headers.
 *
 * @throws Unauthenticated when it does not say so in a way that is believed
 */
export type Authenticator = (headers: IncomingHttpHeaders) => Credentials | Promise<Credentials>;

/** The request does not say who it is from, or is not believed: 401. */
export class Unauthenticated extends Error {}
