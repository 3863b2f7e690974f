import type { Answer } from "./answer.ts";
import type { Exchange } from "./exchange.ts";

/**
 * The 401 of Keystone's middleware: the same whatever was wrong with the token, and whatever the
 * client accepts. OpenStack's clients take the header for a sign to log in again.
 */
export function renderChallenge(challenge: string, { requestId }: Exchange): Answer {
  return {
    status: 401,
    headers: Object.entries({
      "content-type": "application/json",
      "content-length": String(BODY.byteLength),
      "www-authenticate": challenge,
      "x-openstack-request-id": requestId,
    }).flat(),
    body: BODY,
  };
}

const BODY = Buffer.from(
  JSON.stringify({
    error: {
      code: 401,
      title: "Unauthorized",
      message: "The request you have made requires authentication.",
    },
  }),
);
