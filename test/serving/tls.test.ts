import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect, test } from "vitest";

import { issueCertificate } from "../support/certificate.ts";
import { makePlace, serve, until } from "./support.ts";

/** Makes a certificate for a name, and puts it and its key in the place of what was there. */
function issue(folder: string, name: string): void {
  const [keyFile, certFile] = [join(folder, "new-key.pem"), join(folder, "new-cert.pem")] as const;
  issueCertificate({ keyFile, certFile }, name);
  renameSync(keyFile, join(folder, "key.pem"));
  renameSync(certFile, join(folder, "cert.pem"));
}

async function makeTlsPlace() {
  const place = await makePlace();
  issue(place.folder, "first");
  const tls = {
    tls_cert_file: join(place.folder, "cert.pem"),
    tls_key_file: join(place.folder, "key.pem"),
  };
  await place.configure({ stowage: tls });
  return { ...place, tls };
}

function canSpeakSha1(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(
      {
        port: Number(new URL(url).port),
        rejectUnauthorized: false,
        maxVersion: "TLSv1.2",
        ciphers: "ECDHE-ECDSA-AES128-SHA",
      },
      () => {
        resolve(true);
        socket.destroy();
      },
    );
    socket.on("error", () => resolve(false));
  });
}

/** The name in the certificate that new connections get. */
function servedName(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: Number(new URL(url).port), rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

test("HTTPS is served, and a certificate that is renewed is taken up", async () => {
  const place = await makeTlsPlace();
  const served = serve(place);
  const url = await served.url();
  expect(url).toMatch(/^https:/);
  expect(await servedName(url)).toBe("first");
  issue(place.folder, "second");
  await until(async () => (await servedName(url)) === "second");
  await until(() =>
    served.errors.some((line) => line.includes("Serving with the certificate of CN=second")),
  );
  expect(await canSpeakSha1(url)).toBe(false);
});

test("SIGHUP takes up a certificate, from other files as well; a broken one is not", async () => {
  const place = await makeTlsPlace();
  const served = serve(place);
  const url = await served.url();
  const { folder } = await makeTlsPlace();
  issue(folder, "elsewhere");
  await place.configure({
    stowage: { tls_cert_file: join(folder, "cert.pem"), tls_key_file: join(folder, "key.pem") },
  });
  served.process.kill("SIGHUP");
  await until(async () => (await servedName(url)) === "elsewhere");
  writeFileSync(join(folder, "cert.pem"), "nonsense");
  served.process.kill("SIGHUP");
  await until(() => served.errors.some((line) => line.includes("stays as it was")));
  expect(await servedName(url)).toBe("elsewhere");
});

test("a certificate without its key is refused at start, in one line", async () => {
  const place = await makeTlsPlace();
  await place.configure({ stowage: { ...place.tls, tls_key_file: "/nowhere/key.pem" } });
  const without = serve(place);
  expect(await without.ended).toEqual([1, null]);
  expect(without.errors).toEqual([expect.stringContaining("ENOENT")]);

  writeFileSync(join(place.folder, "cert.pem"), "nonsense");
  await place.configure({ stowage: place.tls });
  const broken = serve(place);
  expect(await broken.ended).toEqual([1, null]);
  expect(broken.errors).toEqual([expect.stringContaining("[stowage] tls_cert_file")]);
});
