import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";

import { systemCertificates } from "../../config/system-certificates.ts";
import type { TlsSettings } from "../../config/tls-settings.ts";

/** `verifyIdentity` is for `mysql2`, which takes no notice of `checkServerIdentity`. */
interface TlsOptions extends ConnectionOptions {
  readonly verifyIdentity: boolean;
}

/** What Node's `tls` needs to know; reads the files. */
export function tlsOptions(tls: TlsSettings): TlsOptions {
  return {
    ca: read(tls.caFile) ?? (tls.verifiesCertificate ? systemCertificates() : undefined),
    cert: read(tls.certFile),
    key: read(tls.keyFile),
    ciphers: tls.ciphers,
    rejectUnauthorized: tls.verifiesCertificate,
    verifyIdentity: tls.verifiesHostname,
    ...(!tls.verifiesHostname && { checkServerIdentity: () => undefined }),
  };
}

/**
 * Whether a server that is there cannot be spoken to encrypted: it offers nothing of the kind, its
 * certificate is not the one that is asked for, or ours or the ciphers do not suit.
 */
export function isTlsFailure(error: unknown): boolean {
  const { code = "", message = "", syscall } = error as Partial<NodeJS.ErrnoException>;
  return (
    // So `mysql2` calls all that goes wrong with it, a network that fails meanwhile among them.
    (code === "HANDSHAKE_SSL_ERROR" && syscall === undefined) ||
    /^ERR_(TLS|SSL|OSSL)_/.test(code) ||
    CERTIFICATE_FAILURE.test(code) ||
    code === "HANDSHAKE_NO_SSL_SUPPORT" ||
    message === "The server does not support SSL connections"
  );
}

/** What OpenSSL finds wrong with certificates, https://nodejs.org/api/tls.html#x509-certificate-error-codes. */
const CERTIFICATE_FAILURE =
  /^(CERT_|CRL_|UNABLE_TO_(GET|DECRYPT|DECODE|VERIFY)_|ERROR_IN_C|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA$|INVALID_PURPOSE$|PATH_LENGTH_|HOSTNAME_MISMATCH$)/;

function read(file: string | undefined): Buffer | undefined {
  return file === undefined ? undefined : readFileSync(file);
}
