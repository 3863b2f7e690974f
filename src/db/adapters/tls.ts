import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";

import { systemCertificates } from "../../config/system-certificates.ts";
import type { TlsSettings } from "../../config/tls-settings.ts";

/** `verifyIdentity` is for `mysql2`, which takes no notice of `checkServerIdentity`. */
export interface TlsOptions extends ConnectionOptions {
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

function read(file: string | undefined): Buffer | undefined {
  return file === undefined ? undefined : readFileSync(file);
}
