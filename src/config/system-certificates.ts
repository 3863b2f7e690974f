import { getCACertificates } from "node:tls";

/** Whom this machine trusts, besides those whom Node brings along: a cloud's own authority is there. */
export function systemCertificates(): string[] {
  return [...getCACertificates("default"), ...getCACertificates("system")];
}
