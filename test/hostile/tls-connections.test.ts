import { connect as connectPlain } from "node:net";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect, onTestFinished, test } from "vitest";

import { makeFolder } from "../support/stowage.ts";
import { issueCertificate } from "../support/certificate.ts";
import { closed, openSocket, serve } from "../http/support.ts";

async function serveTls(requestTimeout: number) {
  const folder = await makeFolder();
  onTestFinished(() => folder.remove());
  const files = { certFile: join(folder.path, "cert"), keyFile: join(folder.path, "key") };
  issueCertificate(files, "localhost");
  const tls = { tlsCertFile: files.certFile, tlsKeyFile: files.keyFile };
  const { port } = await serve({ stowage: { ...tls, requestTimeout } });
  return { port, files };
}

/** How a handshake with some suites of TLS 1.2 goes. */
function handshake(port: number, ciphers: string): Promise<string> {
  return new Promise((resolve) => {
    const terms = { port, ciphers, maxVersion: "TLSv1.2", rejectUnauthorized: false } as const;
    const socket = connect(terms, () => {
      resolve(socket.getCipher().name);
      socket.destroy();
    });
    socket.on("error", () => resolve("refused"));
  });
}

test("A connection that never begins its handshake, or breaks off in it, ends in time", async () => {
  const { port } = await serveTls(1);
  const silent = openSocket(port).resume();
  const halfway = connectPlain(port, "127.0.0.1").resume();
  halfway.on("error", () => {});
  // The head of a ClientHello that says more than comes.
  halfway.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]));
  await Promise.all([closed(silent), closed(halfway)]);
  expect(silent.destroyed && halfway.destroyed).toBe(true);
});

test("A connection that shakes hands and then says nothing ends in time", async () => {
  const { port } = await serveTls(1);
  const socket = connect({ port, rejectUnauthorized: false }).resume();
  socket.on("error", () => {});
  await new Promise((resolve) => {
    socket.once("close", resolve);
  });
  expect(socket.destroyed).toBe(true);
});

test("Suites of CBC with SHA-1 are not offered, those with GCM are", async () => {
  const { port } = await serveTls(10);
  expect(await handshake(port, "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA")).toBe("refused");
  expect(await handshake(port, "ECDHE-ECDSA-AES128-GCM-SHA256")).toMatch(/GCM/);
});
