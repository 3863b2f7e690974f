import { execFileSync } from "node:child_process";

/**
 * Makes a certificate that vouches for itself, and its key, in PEM.
 *
 * @param names by which it may be asked for, as OpenSSL's `subjectAltName` has them
 */
export function issueCertificate(
  { certFile, keyFile }: { readonly certFile: string; readonly keyFile: string },
  commonName: string,
  names?: string,
): void {
  execFileSync(
    "openssl",
    [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1".split(" "),
      "-subj",
      `/CN=${commonName}`,
      "-keyout",
      keyFile,
      "-out",
      certFile,
      ...(names === undefined ? [] : ["-addext", `subjectAltName=${names}`]),
    ],
    { stdio: "ignore" },
  );
}
