import { OperatorError, processUser, messageOf } from "../config/operator-error.ts";

/** Where to listen: an address, a Unix socket, or a socket that was opened by who started us. */
export type ListeningPlace =
  | { readonly host: string; readonly port: number }
  | { readonly path: string }
  | { readonly fd: number };

/** Nobody can be served at a place; says what to do about it. */
export class CannotListen extends OperatorError {
  constructor(place: ListeningPlace, cause: unknown) {
    const reason = messageOf(cause);
    const { code = "" } = cause as NodeJS.ErrnoException;
    super(`cannot listen on ${describePlace(place)} (${reason})${adviceOn(place, code)}`, {
      cause,
    });
  }
}

function describePlace(place: ListeningPlace): string {
  if ("path" in place) return `[stowage] unix_socket = ${place.path}`;
  if ("fd" in place) return `descriptor ${place.fd}, which systemd handed over`;
  return `${place.host.includes(":") ? `[${place.host}]` : place.host}:${place.port}`;
}

function adviceOn(place: ListeningPlace, code: string): string {
  if ("path" in place) return adviceOnSocket(code);
  if ("fd" in place) return ": is the unit of the socket a stream socket?";
  const advice: Readonly<Record<string, string>> = {
    EADDRINUSE:
      ": another process has it, perhaps Placement or another Stowage. Stop that one, or set " +
      `[stowage] port; \`ss -ltnp sport = :${place.port}\` shows which it is`,
    EACCES: `: ${processUser()} may not use ports below 1024. Set [stowage] port to another one`,
    EADDRNOTAVAIL:
      ": this machine does not have the address. Set [stowage] host to one that it has",
    ENOTFOUND: ": [stowage] host is no address, and no name of one",
  };
  return advice[code] ?? "";
}

function adviceOnSocket(code: string): string {
  const advice: Readonly<Record<string, string>> = {
    EADDRINUSE: ": another process serves there, or something else has that name",
    EACCES: `: ${processUser()} cannot write to the folder`,
    EPERM: `: ${processUser()} cannot write to the folder`,
    ENOENT: ": the folder is missing",
  };
  return advice[code] ?? "";
}
