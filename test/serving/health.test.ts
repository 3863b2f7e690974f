import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { VERSION } from "../../src/config/version.ts";
import { askAsStranger, askHealth, makePlace, serve } from "./support.ts";

test("the greeting says which version serves", async () => {
  const served = serve(await makePlace());
  await served.url();
  expect(served.output[0]).toContain(`Stowage ${VERSION} is serving`);
});

test("a service tells strangers that it lives and is ready, and `stowage health` asks it", async () => {
  const place = await makePlace({ stowage: { path_prefix: "/placement" } });
  const url = new URL(await serve(place).url()).origin;
  for (const prefix of ["", "/placement"]) {
    const [live, ready] = await Promise.all(
      ["/healthz", "/readyz"].map((path) => askAsStranger(url + prefix + path)),
    );
    expect([live!.status, live!.text]).toEqual([200, '{"status":"alive"}']);
    expect([ready!.status, JSON.parse(ready!.text)]).toEqual([
      200,
      {
        status: "ready",
        checks: {
          database: { is_ok: true },
          schema: { is_ok: true },
          read_model: { is_ok: true },
        },
      },
    ]);
    expect(await askHealth(place.folder, ["--url", url + prefix])).toEqual([0, "ready\n", ""]);
  }
  expect(await askHealth(place.folder, ["--alive", "--url", url])).toEqual([0, "alive\n", ""]);
});

test("`stowage health` asks where the configuration says", async () => {
  const place = await makePlace();
  const socket = join(place.folder, "api.sock");
  await place.configure({ stowage: { unix_socket: socket } });
  await serve(place).url();
  expect(await askHealth(place.folder)).toEqual([0, "ready\n", ""]);
});

test("`stowage health` finds nobody, silence or nonsense there, and ends with 1 in one line", async () => {
  const place = await makePlace();
  const talker = createServer((socket) => {
    socket.on("error", () => {});
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{");
  }).listen(0, "127.0.0.1");
  const other = createServer((socket) => {
    socket.on("error", () => {});
    socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnull");
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void [talker, other].map((server) => server.close()));
  await Promise.all([once(talker, "listening"), once(other, "listening")]);
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port: nobody } = closed.address() as AddressInfo;
  await new Promise((resolve) => {
    closed.close(resolve);
  });
  const at = (port: number) => askHealth(place.folder, ["--url", `http://127.0.0.1:${port}`]);
  expect(await at(nobody)).toEqual([1, "", expect.stringMatching(/^stowage: no answer .*\n$/)]);
  expect(await at((talker.address() as AddressInfo).port)).toEqual([
    1,
    "",
    expect.stringMatching(/^stowage: no answer .*\n$/),
  ]);
  expect(await at((other.address() as AddressInfo).port)).toEqual([
    1,
    "",
    "stowage: the answer has status 404\n",
  ]);
  expect(await askHealth(place.folder, ["--url", "nonsense"])).toEqual([
    2,
    "",
    expect.stringContaining("It must be a URL of HTTP"),
  ]);
});
