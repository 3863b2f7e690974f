/** How a connection to a database is encrypted. The files are in PEM. */
export interface TlsSettings {
  /** False: go on without encryption where the server offers none. */
  readonly isRequired: boolean;
  /** The certificate authorities that vouch for the server; undefined for those of the system. */
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** A cipher list of OpenSSL. */
  readonly ciphers: string | undefined;
  readonly verifiesCertificate: boolean;
  readonly verifiesHostname: boolean;
}
