import { execFile, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";

import { freePort } from "../support/free-ports.ts";
import { makeFolder } from "../support/stowage.ts";
import { endProcess, isUwsgiInstalled, optionsOf, startUwsgi } from "../support/uwsgi.ts";

const MANAGE = "/usr/bin/keystone-manage";

/** Whether Debian's packages are there; `scripts/install-for-tests.sh` installs them. */
export const isKeystoneInstalled = existsSync(MANAGE) && isUwsgiInstalled;

/** How to log in, as the body of `POST /v3/auth/tokens` has it. */
export interface Login {
  readonly identity: object;
  readonly scope?: object | "unscoped";
}

/** A Keystone of a test's own: on loopback, with SQLite and fernet keys in a folder of its own. */
export interface RealKeystone {
  /** Where its API is, such as `http://127.0.0.1:5000/v3`. */
  readonly url: string;
  /** Returns a token. */
  logIn(login: Login): Promise<string>;
  /** Returns a token that lives for {@link BRIEF_SECONDS} only. */
  logInBriefly(login: Login): Promise<string>;
  /** Calls the API as the administrator; returns the body of the answer. Fails from 400 on. */
  call<Body = unknown>(method: string, path: string, body?: object): Promise<Body>;
  revoke(token: string): Promise<void>;
  /** Replaces all keys: every token from before is invalid. */
  replaceKeys(): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Stops it for good, and removes what it left. */
  remove(): Promise<void>;
}

const DATABASE = "keystone.sqlite";

export const BRIEF_SECONDS = 3;

export function passwordLogin(
  user: string,
  scope?: Login["scope"],
  password = `${user}-password`,
): Login {
  const domain = { id: "default" };
  return {
    identity: {
      methods: ["password"],
      password: { user: { name: user, domain, password } },
    },
    ...(scope && { scope }),
  };
}

export function inProject(name: string): object {
  return { project: { name, domain: { id: "default" } } };
}

const ADMIN = passwordLogin("admin", inProject("admin"));

export async function startKeystone(): Promise<RealKeystone> {
  const folder = await makeFolder();
  const [port, briefPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}/v3`;
  const config = await writeConfig(folder.path, "keystone", 3600);
  const briefConfig = await writeConfig(folder.path, "brief", BRIEF_SECONDS);
  await setUp(config, folder.path, url);
  let server = await serve(config, port);
  const brief = await serve(briefConfig, briefPort);
  let adminToken: string | undefined;

  const logInAt = async (loginPort: number, { identity, scope }: Login): Promise<string> => {
    const body = { auth: { identity, ...(scope && { scope }) } };
    const reply = await post(`http://127.0.0.1:${loginPort}/v3/auth/tokens`, body);
    return reply.headers.get("x-subject-token") ?? "";
  };
  const send = async (
    method: string,
    path: string,
    body: string | null = null,
    subject?: string,
  ): Promise<Response> => {
    adminToken ??= await logInAt(port, ADMIN);
    const headers = {
      "x-auth-token": adminToken,
      "content-type": "application/json",
      ...(subject !== undefined && { "x-subject-token": subject }),
    };
    return checked(await fetch(url + path, { method, body, headers }));
  };
  return {
    url,
    logIn: (login) => logInAt(port, login),
    logInBriefly: (login) => logInAt(briefPort, login),
    async call<Body>(method: string, path: string, body?: object) {
      const reply = await send(method, path, body && JSON.stringify(body));
      const text = await reply.text();
      return (text === "" ? undefined : JSON.parse(text)) as Body;
    },
    async revoke(token) {
      await send("DELETE", "/auth/tokens", null, token);
    },
    async replaceKeys() {
      await rm(join(folder.path, "fernet"), { recursive: true });
      await manage(config, "fernet_setup");
      adminToken = undefined;
    },
    async stop() {
      await endProcess(server);
    },
    async start() {
      server = await serve(config, port);
    },
    async remove() {
      await Promise.all([endProcess(server), endProcess(brief)]);
      await folder.remove();
    },
  };
}

/** All bodies of errors are for the test's reader. */
async function checked(reply: Response): Promise<Response> {
  if (reply.ok) return reply;
  throw new Error(`Keystone answered ${reply.status}: ${await reply.text()}`);
}

async function post(url: string, body: object): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return checked(await fetch(url, { method: "POST", headers, body: JSON.stringify(body) }));
}

/** Returns the path of the file. All files share one database and one set of keys. */
async function writeConfig(folder: string, name: string, lifetime: number): Promise<string> {
  const keys = join(folder, "fernet");
  const credentialKeys = join(folder, "credential");
  await mkdir(keys, { recursive: true });
  await mkdir(credentialKeys, { recursive: true });
  const path = join(folder, `${name}.conf`);
  await writeFile(
    path,
    `
[DEFAULT]
log_file = ${join(folder, `${name}.log`)}
[database]
connection = sqlite:///${join(folder, DATABASE)}
[fernet_tokens]
key_repository = ${keys}
[credential]
key_repository = ${credentialKeys}
# Ten times faster with a cache, but tokens must depend on the keys alone.
[cache]
enabled = true
backend = oslo_cache.dict
[revoke]
caching = false
[token]
caching = false
cache_on_issue = false
expiration = ${lifetime}
allow_expired_window = 3600
[identity]
# As little work as possible.
password_hash_rounds = 4
`,
  );
  return path;
}

async function setUp(config: string, folder: string, url: string): Promise<void> {
  await manage(config, "db_sync");
  // Two processes read and write it, and Keystone does not wait long for a lock.
  const database = new DatabaseSync(join(folder, DATABASE));
  database.exec("PRAGMA journal_mode = WAL");
  database.close();
  await manage(config, "fernet_setup");
  await manage(config, "credential_setup");
  await manage(config, "bootstrap", {
    "bootstrap-password": "admin-password",
    "bootstrap-region-id": "here",
    "bootstrap-internal-url": url,
    "bootstrap-public-url": url,
  });
}

/**
 * Debian's eventlet complains when Python ends, with exit code 0; a command that fails says so
 * otherwise.
 */
async function manage(
  config: string,
  command: string,
  options: Readonly<Record<string, string>> = {},
): Promise<void> {
  // It would give the keys to a user that Debian's service has.
  const owner = { "keystone-user": userInfo().uid, "keystone-group": userInfo().gid };
  const flags = optionsOf({ ...(command.endsWith("_setup") && owner), ...options });
  await promisify(execFile)(MANAGE, ["--config-file", config, command, ...flags]);
}

function serve(config: string, port: number): Promise<ChildProcess> {
  return startUwsgi({
    name: "Keystone",
    module: "keystone.server.wsgi:initialize_public_application()",
    port,
    path: "/v3",
    logFile: `${config}.uwsgi.log`,
    environment: { OS_KEYSTONE_CONFIG_FILES: config },
  });
}
