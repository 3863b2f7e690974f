import { messageOf } from "../config/operator-error.ts";
import { X509Certificate } from "node:crypto";
import { readFileSync, unwatchFile, watchFile } from "node:fs";
import type { Server } from "node:https";
import { createSecureContext, DEFAULT_CIPHERS } from "node:tls";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/config-error.ts";
import type { Logger } from "../observability/logger.ts";

export type CertificateOptions = Pick<Config["stowage"], "tlsCertFile" | "tlsKeyFile">;

/**
 * What connections are secured with. Of Node's suites those with SHA-1 are left out: these are of the
 * CBC kind, which all that speaks TLS 1.2 can do without, and scanners complain about.
 */
const CIPHERS = `${DEFAULT_CIPHERS}:!SHA1`;

/** A certificate chain and its key, in PEM, that belong together, and the suites to use them with. */
export interface Certificate {
  readonly ciphers: string;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/**
 * Reads the certificate to serve with; `undefined` where the configuration names none.
 *
 * @throws ConfigError when the files cannot be read, or hold no certificate and its key
 */
export function readCertificate(options: CertificateOptions): Certificate | undefined {
  const { tlsCertFile, tlsKeyFile } = options;
  if (tlsCertFile === undefined) {
    if (tlsKeyFile === undefined) return undefined;
    throw new ConfigError("[stowage] tls_key_file is set, but tls_cert_file is not");
  }
  try {
    const cert = readFileSync(tlsCertFile);
    const key = readFileSync(tlsKeyFile ?? tlsCertFile);
    const certificate = { cert, key, ciphers: CIPHERS };
    createSecureContext(certificate);
    return certificate;
  } catch (error) {
    const reason = messageOf(error);
    throw new ConfigError(`[stowage] tls_cert_file, tls_key_file: ${reason}`);
  }
}

/** Reading the state of a file so often costs nothing, and works on every kind of file system. */
const WATCH_INTERVAL_MS = 2000;

/**
 * Gives servers their new certificate when its files change: certbot, cert-manager and Kubernetes
 * replace files and tell nobody. Connections that are open keep the one they were made with.
 */
export class CertificateKeeper {
  readonly #servers: readonly Server[];
  readonly #logger: Logger;
  readonly #onChange = () => this.#tryReload();
  #options: CertificateOptions;

  constructor(servers: readonly Server[], options: CertificateOptions, logger: Logger) {
    this.#servers = servers;
    this.#options = options;
    this.#logger = logger;
    this.#watch();
  }

  /**
   * Reads the certificate again, maybe from other files.
   *
   * @throws ConfigError when it cannot be used; then the one before stays
   */
  reload(options: CertificateOptions): void {
    const certificate = readCertificate(options);
    if (!certificate) throw new ConfigError("HTTPS cannot be given up without a restart");
    for (const server of this.#servers) server.setSecureContext(certificate);
    this.#logger.info(`Serving with ${describe(certificate)}`);
    this.close();
    this.#options = options;
    this.#watch();
  }

  /** Watches no longer. */
  close(): void {
    for (const path of this.#files()) unwatchFile(path, this.#onChange);
  }

  #watch(): void {
    const options = { persistent: false, interval: WATCH_INTERVAL_MS };
    for (const path of this.#files()) watchFile(path, options, this.#onChange);
  }

  #files(): string[] {
    const { tlsCertFile, tlsKeyFile } = this.#options;
    return [tlsCertFile, tlsKeyFile].filter((path) => path !== undefined);
  }

  /** Of two files, one is replaced first: then they do not match until the other one is, too. */
  #tryReload(): void {
    try {
      this.reload(this.#options);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#logger.warn(`${error.message}; the certificate read before stays in use`);
    }
  }
}

function describe({ cert }: Certificate): string {
  const { subject, validTo } = new X509Certificate(cert);
  return `the certificate of ${subject?.replaceAll("\n", ", ") ?? "nobody"}, valid until ${validTo}`;
}
