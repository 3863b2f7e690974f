import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import type { Reply } from "../support/client.ts";
import { makeFolder, startHere, type LocalStowage } from "../support/stowage.ts";
import type { Attack } from "./attack.ts";
import { MARKER } from "./hostile-values.ts";
import { World } from "./specimens.ts";

/** What is wrong with how an attack was answered; nothing, if all is well. */
export type Verdict = readonly string[];

/** Everything that an error tells fits into this. */
const MAX_ERROR_BYTES = 8 * 1024;

/** Generous, because other tests run at the same time; a hang or a blow-up takes far longer. */
const MAX_DURATION_MS = 5000;

/** The service under attack, watched from outside. */
export class TargetService {
  readonly stowage: LocalStowage;
  readonly world: World;
  readonly #database: DatabaseSync;
  readonly #removeFolder: () => Promise<void>;
  /** Raised by SQLite whenever another connection has changed the file. */
  #dataVersion: unknown;

  private constructor(
    stowage: LocalStowage,
    database: DatabaseSync,
    removeFolder: () => Promise<void>,
  ) {
    this.stowage = stowage;
    this.world = new World(stowage.client);
    this.#database = database;
    this.#removeFolder = removeFolder;
  }

  static async start(): Promise<TargetService> {
    const folder = await makeFolder();
    const file = join(folder.path, "placement.sqlite");
    const stowage = await startHere({
      placementDatabase: { connection: `sqlite:///${file}`, sqliteSynchronous: false },
    });
    const target = new TargetService(stowage, new DatabaseSync(file), () => folder.remove());
    await target.world.build();
    return target;
  }

  async stop(): Promise<void> {
    this.#database.close();
    await this.stowage.stop();
    await this.#removeFolder();
  }

  /** Sends the attack and judges all that can be seen of it. */
  async attack(attack: Attack): Promise<{ readonly status: number; readonly verdict: Verdict }> {
    const { client, statements } = this.stowage;
    statements.length = 0;
    this.#dataVersion = this.#readDataVersion();
    const begun = performance.now();
    const { method, path, version = "1.39", headers = {}, body } = attack;
    const reply = await client.send(method, path, { version, headers, body });
    const durationMs = performance.now() - begun;
    const verdict = [
      ...judgeReply(reply, headers["accept"] === undefined),
      ...this.#judgeStatements(),
      ...this.#judgeData(attack, reply),
      ...(durationMs > MAX_DURATION_MS ? [`took ${Math.round(durationMs)} ms`] : []),
    ];
    return { status: reply.status, verdict };
  }

  #judgeStatements(): Verdict {
    return [...new Set(this.stowage.statements)]
      .filter((text) => text.includes(MARKER) || CONSTANT.test(text) || !hasPlainNames(text))
      .map((text) => `statement from input: ${text.slice(0, 200)}`);
  }

  #judgeData({ method }: Attack, { status }: Reply): Verdict {
    const isRefused = status >= 400 || method === "GET";
    const isChanged = this.#readDataVersion() !== this.#dataVersion;
    return isRefused && isChanged ? [`${status}, and the data changed`] : [];
  }

  #readDataVersion(): unknown {
    return this.#database.prepare("PRAGMA data_version").get()?.["data_version"];
  }
}

/** A text or a number in a statement: it would have to be a bound value. */
const CONSTANT = /'|(?<![\w"])\d/;

/** Names are those of tables, columns and aliases. */
function hasPlainNames(text: string): boolean {
  return Array.from(text.matchAll(/"([^"]*)"/g)).every(([, name = ""]) =>
    /^[a-z][a-z_0-9]*$/.test(name),
  );
}

export function judgeReply(reply: Reply, wantsJson: boolean): Verdict {
  const { status, headers, text } = reply;
  const problems: string[] = [];
  if (status < 200 || status >= 500) problems.push(`status ${status}: ${text.slice(0, 300)}`);
  if (headers["x-injected"] !== undefined) problems.push("a header was injected");
  if (status < 400) return problems;
  const size = Buffer.byteLength(text);
  if (size > MAX_ERROR_BYTES) problems.push(`an error of ${size} bytes`);
  if (wantsJson) problems.push(...judgeErrorBody(reply));
  return problems;
}

function judgeErrorBody({ status, headers, text }: Reply): Verdict {
  try {
    const { errors } = JSON.parse(text) as { errors: { status: number; request_id: string }[] };
    const [error] = errors;
    if (error?.status !== status) return [`${status} with the body of ${error?.status}`];
    if (!/^req-[0-9a-f-]{36}$/.test(error.request_id)) return [`request id ${error.request_id}`];
    return error.request_id === headers["x-openstack-request-id"] ? [] : ["two request ids"];
  } catch {
    return [`an error that is no JSON: ${text.slice(0, 200)}`];
  }
}
