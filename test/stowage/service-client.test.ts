import { createServer, type RequestListener } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";

import { runCommandLine } from "../support/command-line.ts";

/** What `stowage explain` says when something answers thus; its exit code is 1. */
async function complaintAbout(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const outcome = await runCommandLine(["explain", "--url", url, "resources=VCPU:1"]);
  expect(outcome).toEqual([1, "", expect.any(String)]);
  return outcome[2].replace(url, "URL");
}

test("another program that answers is told from a service", async () => {
  for (const answer of ["<html>", "null", "[]", '{"verdict": 1}']) {
    expect(await complaintAbout((_, response) => response.end(answer))).toBe(
      "stowage: what answers at URL is no service that can tell\n",
    );
  }
});

test("an error is told in a line, whatever answers it", async () => {
  const complaint = complaintAbout((_, response) => {
    response.writeHead(503).end(JSON.stringify({ errors: [{ detail: "away\u001b[2J" }] }));
  });
  expect(await complaint).toBe("stowage: URL answered 503: away?[2J\n");
});

test("a token is not handed on to where an answer points", async () => {
  let asked = 0;
  const complaint = complaintAbout((_, response) => {
    asked += 1;
    response.writeHead(302, { location: "/elsewhere" }).end();
  });
  expect(await complaint).toBe("stowage: URL answered 302: \n");
  expect(asked).toBe(1);
});

test("an answer that breaks off is no answer", async () => {
  const complaint = complaintAbout((_, response) => {
    response.writeHead(200, { "content-length": 100 }).write("{");
    setImmediate(() => response.destroy());
  });
  expect(await complaint).toMatch(/^stowage: URL cannot be asked: /);
});

test("a place that is none is refused before anything is sent", async () => {
  expect(await runCommandLine(["explain", "--url", "ftp://host", "resources=VCPU:1"])).toEqual([
    1,
    "",
    "stowage: ftp://host is no URL of HTTP or HTTPS\n",
  ]);
});
