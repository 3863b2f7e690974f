import type { Config } from "../../config/config.ts";
import { ConfigError } from "../../config/config-error.ts";
import type { ListeningAddress } from "../../http/listen.ts";
import { isLoopback } from "../../http/loopback.ts";

/**
 * `noauth2` believes whatever a client says about itself: it is for this machine alone.
 *
 * @param address where the service listens, or is about to; a Unix socket is on this machine
 * @throws ConfigError when another machine could reach it
 */
export function refuseOpenDoors(
  { api, stowage }: Config,
  address: ListeningAddress | { readonly host: string },
): void {
  if (api.authStrategy !== "noauth2" || stowage.allowInsecureNoauth) return;
  if (typeof address === "string") return;
  const host = "host" in address ? address.host : address.address;
  if (!isLoopback(host)) throw openDoor(host);
}

function openDoor(host: string): ConfigError {
  return new ConfigError(
    `[api] auth_strategy = noauth2 checks no credentials, so Stowage listens on loopback only, not ` +
      `on ${host}. Set [stowage] host = 127.0.0.1, use auth_strategy = keystone, or say ` +
      "[stowage] allow_insecure_noauth = true.",
  );
}
