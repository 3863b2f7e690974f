import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import type { Attack } from "./attacks.ts";
import type { Attacker } from "./attacker.ts";

/** How long Keystone takes for each. */
const VALIDATION_MS = 200;
const SERVICES = 20;
const CACHED = 20_000;
const MADE_UP = 3000;
/** Another peer than that of valid tokens. */
const ELSEWHERE = "127.0.0.2";
/** A valid one begins so; Fernet tokens are of so many characters. */
const VALID = "gAAAAAvalid";
const TOKEN_LENGTH = 180;

/** Acts as Keystone: knows the tokens that begin like a valid one, after a while. */
async function startKeystone(validationMs: number) {
  const server = createServer((request, response) => {
    if (request.method === "POST") {
      response.writeHead(201, { "x-subject-token": "session" }).end(ANSWER);
      return;
    }
    const isValid = String(request.headers["x-subject-token"]).startsWith(VALID);
    setTimeout(() => {
      response.writeHead(isValid ? 200 : 404).end(isValid ? ANSWER : "{}");
    }, validationMs);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    options: {
      api: { auth_strategy: "keystone" },
      keystone_authtoken: {
        auth_url: url,
        auth_type: "password",
        user_id: "placement",
        password: "secret",
        www_authenticate_uri: url,
      },
    },
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const ANSWER = JSON.stringify({
  token: {
    user: { id: "ann", domain: { id: "default" } },
    project: { id: "lab", domain: { id: "default" } },
    roles: [{ name: "admin" }],
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    catalog: Array.from({ length: SERVICES }, (_, at) => ({
      id: `service-${at}`,
      type: `type-${at}`,
      name: `service ${at}`,
      endpoints: ["public", "internal", "admin"].map((kind) => ({
        id: `endpoint-${at}-${kind}`,
        interface: kind,
        region: "RegionOne",
        region_id: "RegionOne",
        url: `https://${kind}.cloud.example.org:8${at}/v1/%(project_id)s`,
      })),
    })),
  },
});

export const KEYSTONE_ATTACKS: readonly Attack[] = [
  {
    name: `${CACHED.toLocaleString("en")} tokens, catalog of ${SERVICES} services`,
    prepare: () => startKeystone(0),
    run: async (attacker) => {
      for (let number = 0; number < CACHED; number += 100) {
        await Promise.all(
          Array.from({ length: 100 }, (_, at) => ask(attacker, tokenOf(VALID, number + at))),
        );
        attacker.stop();
      }
      return "200";
    },
  },
  {
    name: `${MADE_UP.toLocaleString("en")} made-up tokens, ${VALIDATION_MS} ms each`,
    prepare: () => startKeystone(VALIDATION_MS),
    run: async (attacker) => {
      await ask(attacker, tokenOf(VALID, 0));
      const refused = Promise.all(
        Array.from({ length: MADE_UP }, (_, at) =>
          ask(attacker, tokenOf("gAAAAAmadeup", at), ELSEWHERE),
        ),
      );
      await new Promise((resolve) => {
        setTimeout(resolve, 500);
      });
      const startedAtMs = performance.now();
      const status = await ask(attacker, tokenOf(VALID, 1));
      const tookMs = Math.round(performance.now() - startedAtMs);
      await refused;
      return `a valid new one: ${status} after ${tookMs} ms`;
    },
  },
];

function tokenOf(begin: string, number: number): string {
  return `${begin}${String(number)}`.padEnd(TOKEN_LENGTH, "x");
}

function ask(attacker: Attacker, token: string, from?: string): Promise<string> {
  const message = attacker.request("GET", "/resource_providers?name=nobody");
  const bytes = message.replace("X-Auth-Token: admin", `X-Auth-Token: ${token}`);
  return attacker.send(bytes, undefined, from);
}
