import { lstat, unlink } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import { connect, type AddressInfo } from "node:net";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/config-error.ts";
import type { Logger } from "../observability/logger.ts";
import { CannotListen, type ListeningPlace } from "./cannot-listen.ts";
import {
  CertificateKeeper,
  readCertificate,
  type Certificate,
  type CertificateOptions,
} from "./certificate.ts";
import { shutDown, type ShutdownOutcome } from "./shutdown.ts";

export type { ListeningPlace };

/** Where the configuration says. */
export function configuredPlace({ stowage }: Config): ListeningPlace {
  const { host, port, unixSocket } = stowage;
  return unixSocket === undefined ? { host, port } : { path: unixSocket };
}

/** Where a server listens: an address, or the path of a Unix socket. */
export type ListeningAddress = AddressInfo | string;

interface ListeningHooks {
  readonly attach: (server: Server) => void;
  readonly check: (address: ListeningAddress) => void;
}

/** The sockets that requests come in by, over HTTP or HTTPS. */
export class ListeningSockets {
  readonly addresses: readonly ListeningAddress[];
  /** The first one as a URL: `http://127.0.0.1:8778`, `http://[::1]:8778`, `unix:/run/stowage.sock`. */
  readonly url: string;
  readonly #servers: readonly Server[];
  readonly #keeper: CertificateKeeper | undefined;

  private constructor(servers: readonly Server[], keeper: CertificateKeeper | undefined) {
    this.#servers = servers;
    this.#keeper = keeper;
    this.addresses = servers.map(addressOf);
    this.url = urlOf(this.addresses[0], keeper ? "https" : "http");
  }

  /**
   * Listens at each place; rejects when that is not possible at one of them.
   *
   * @param attach gives a server what it does with requests
   * @param check throws where an address must not be listened on
   */
  static async open(
    places: readonly ListeningPlace[],
    { stowage }: Config,
    logger: Logger,
    { attach, check }: ListeningHooks,
  ): Promise<ListeningSockets> {
    const certificate = readCertificate(stowage);
    const servers = places.map(() => makeServer(stowage, certificate));
    for (const server of servers) attach(server);
    try {
      await Promise.all(places.map((place, at) => listen(servers[at]!, place, check)));
    } catch (error) {
      for (const server of servers) server.close();
      throw error;
    }
    const tlsServers = servers.filter((server) => server instanceof TlsServer);
    const keeper = certificate && new CertificateKeeper(tlsServers, stowage, logger);
    return new ListeningSockets(servers, keeper);
  }

  /**
   * Reads the certificate again, if there is one, maybe from other files.
   *
   * @throws ConfigError when it cannot be used; then the one before stays
   */
  reloadCertificate(options: CertificateOptions): void {
    if (this.#keeper) this.#keeper.reload(options);
    else if (readCertificate(options)) {
      throw new ConfigError("[stowage] tls_cert_file: HTTPS cannot begin without a restart");
    }
  }

  /** Takes no new connections, lets the requests in flight finish, and cuts off what is late. */
  async close(limitMs: number): Promise<ShutdownOutcome> {
    this.#keeper?.close();
    const outcomes = await Promise.all(this.#servers.map((server) => shutDown(server, limitMs)));
    return outcomes.includes("cut off") ? "cut off" : "finished";
  }
}

/** Long request targets are normal: a request for candidates may name many groups. */
const MAX_HEAD_BYTES = 64 * 1024;

/** Longer than the pools of clients and proxies keep a connection, so that they close it first. */
const IDLE_CONNECTION_MS = 75_000;

/** A handshake takes some packets: who needs longer never begins it. */
const HANDSHAKE_MS = 10_000;

function makeServer(stowage: Config["stowage"], certificate: Certificate | undefined): Server {
  const requestTimeout = stowage.requestTimeout * 1000;
  const options = {
    maxHeaderSize: MAX_HEAD_BYTES,
    keepAliveTimeout: IDLE_CONNECTION_MS,
    requestTimeout,
    headersTimeout: requestTimeout,
    connectionsCheckingInterval: Math.min(5000, requestTimeout / 4 || 5000),
    // node:http would answer by itself, without an error body.
    requireHostHeader: false,
  };
  if (!certificate) return createServer(options);
  const handshakeTimeout = Math.min(HANDSHAKE_MS, requestTimeout || HANDSHAKE_MS);
  return createTlsServer({ ...options, ...certificate, handshakeTimeout });
}

/**
 * What a Unix socket is made without: owner and group may connect; what a proxy needs is to be in the
 * group. It has to be so from the beginning: who connects before a later `chmod` is in.
 */
export const SOCKET_UMASK = 0o117;

async function listen(
  server: Server,
  place: ListeningPlace,
  check: ListeningHooks["check"],
): Promise<void> {
  const allow = async () => check(addressOf(server));
  // The socket is made within the call, unless this is a worker: then its first process makes it.
  const umask = "path" in place ? process.umask(SOCKET_UMASK) : undefined;
  const listening = new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(new CannotListen(place, error)));
    server.listen(place, () => {
      server.removeAllListeners("error");
      // At once: clients that wait already would be let in with the next turn of the event loop.
      resolve(allow());
    });
  });
  if (umask !== undefined) process.umask(umask);
  await listening;
}

/**
 * Removes a Unix socket that a killed process has left behind: nobody answers there any more, and
 * its name would count as taken.
 */
export async function removeDeadSocket(place: ListeningPlace): Promise<void> {
  if (!("path" in place)) return;
  const file = await lstat(place.path).catch(() => undefined);
  if (!file?.isSocket() || !(await isDead(place.path))) return;
  try {
    await unlink(place.path);
  } catch (error) {
    throw new CannotListen(place, error);
  }
}

function isDead(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error) => {
      resolve("code" in error && error.code === "ECONNREFUSED");
    });
  });
}

function addressOf(server: Server): ListeningAddress {
  return server.address() ?? "";
}

function urlOf(address: ListeningAddress | undefined, scheme: string): string {
  if (address === undefined || typeof address === "string") return `unix:${address ?? ""}`;
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return `${scheme}://${host}:${address.port}`;
}
