import { BlockList, isIP } from "node:net";
import { MessageFlaw } from "./message-flaw.ts";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** Whether a name or an address is certainly this machine. */
export function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  const version = isIP(host);
  return version !== 0 && LOOPBACK.check(host, version === 6 ? "ipv6" : "ipv4");
}

/**
 * Against DNS rebinding: a page of another site lets its own name lead to 127.0.0.1, so that the
 * browser sends its requests here, as to the page's own site, and believes it to be allowed. What the
 * browser calls us by still is the name of that site.
 *
 * @param host the header as it was sent; programs of old leave it out, browsers never do
 * @throws MessageFlaw 421 for a name that is not this machine's
 */
export function checkHost(host: string | undefined): void {
  if (host === undefined || isLoopback(hostnameOf(host))) return;
  throw new MessageFlaw(421, MISDIRECTED);
}

const MISDIRECTED =
  "auth_strategy = noauth2 serves this machine only, by the name localhost or its address; see [stowage] " +
  "allow_insecure_noauth.";

/** Without the port, and the brackets of IPv6. */
function hostnameOf(host: string): string {
  const [, bracketed, plain = ""] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host) ?? [];
  return (bracketed ?? plain).toLowerCase();
}
