import { getCACertificates } from "node:tls";
import { expect, test } from "vitest";

import { parseConnectionUrl } from "../../config/connection-url.ts";
import { tlsOptions } from "./tls.ts";

function optionsOf(url: string) {
  const connection = parseConnectionUrl(url);
  if (connection.engine === "sqlite" || !connection.tls) throw new Error("no TLS");
  return tlsOptions(connection.tls);
}

test.each(["postgresql://u@h/d?sslmode=verify-full", "mysql://u@h/d?ssl_mode=VERIFY_IDENTITY"])(
  "who verifies without a file trusts the system's certificates besides Node's: %s",
  (url) => {
    const { ca, rejectUnauthorized } = optionsOf(url);
    expect(rejectUnauthorized).toBe(true);
    expect(ca).toEqual([...getCACertificates("default"), ...getCACertificates("system")]);
  },
);

test.each(["postgresql://u@h/d?sslmode=require", "mysql://u@h/d?ssl_mode=REQUIRED"])(
  "who does not verify needs nobody's: %s",
  (url) => {
    expect(optionsOf(url)).toMatchObject({ ca: undefined, rejectUnauthorized: false });
  },
);
