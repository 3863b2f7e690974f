import { connectionProblem } from "./connection-parameters.ts";

/** How a connection to a database is encrypted. The files are in PEM. */
export interface TlsSettings {
  /** False: go on without encryption where the server offers none. */
  readonly isRequired: boolean;
  /** Where it is not required: whether it is only tried after the server refuses to do without. */
  readonly isLastResort?: boolean;
  /** The certificate authorities that vouch for the server; undefined for those of the system. */
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** A cipher list of OpenSSL. */
  readonly ciphers: string | undefined;
  readonly verifiesCertificate: boolean;
  readonly verifiesHostname: boolean;
}

/**
 * A certificate of some public authority, for a server of any name, proves nothing: whoever has one
 * would be sent the password.
 *
 * @throws ConfigError when certificates are to be verified, but neither names nor a known authority
 */
export function checkTrust(wish: string, caParameter: string, settings: TlsSettings): TlsSettings {
  const { verifiesCertificate, verifiesHostname, caFile } = settings;
  if (!verifiesCertificate || verifiesHostname || caFile !== undefined) return settings;
  throw connectionProblem(`${wish} needs ${caParameter}, the file of the authority to trust`);
}
