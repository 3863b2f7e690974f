import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { workerData } from "node:worker_threads";

import { release } from "../../src/api/byte-writer.ts";
import { answerer, buildIndex } from "./answering.ts";
import type { Scenario } from "./fleets.ts";

export interface ServedScenario {
  readonly scenario: Scenario;
  readonly seed: number;
  /** Where the server's TCP port is told once it listens: the first of an array shared with it. */
  readonly port: Int32Array<SharedArrayBuffer>;
}

/**
 * Serves one scenario in a thread of its own: `/floor` sends the bytes of the first answer again and
 * again, as fast as `node:http` can; `/first` answers as if nobody had asked before, `/again` as if
 * somebody had.
 */
const { scenario, seed, port } = workerData as ServedScenario;

const answer = answerer(buildIndex(scenario.fleet, seed), scenario.query);
const bytes = Buffer.from(await answer.first());

const server = createServer((request, response) => {
  const send = (body: Uint8Array) => {
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": String(body.byteLength),
    });
    // As the server does: the memory of an answer is used again once it is sent.
    response.once("close", () => response.writableFinished && release(body));
    response.end(body);
  };
  if (request.url === "/floor") send(bytes);
  else void (request.url === "/first" ? answer.first() : answer.again()).then(send);
});
server.listen(0, "127.0.0.1", () => {
  Atomics.store(port, 0, (server.address() as AddressInfo).port);
  Atomics.notify(port, 0);
});
