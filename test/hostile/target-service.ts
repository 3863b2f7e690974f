import { DatabaseSync } from "node:sqlite";

import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import type { Reply } from "../support/client.ts";
import type { Engine, TestDatabase } from "../support/engines.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { brief, type Attack, type SpoiltDocument } from "./attack.ts";
import { MARKER } from "./hostile-values.ts";
import { requestOf, World, type Specimen } from "./specimens.ts";

/** What is wrong with how an attack was answered; nothing, if all is well. */
export type Verdict = readonly string[];

/** Everything that an error tells fits into this. */
const MAX_ERROR_BYTES = 8 * 1024;

/**
 * Of the processor, so that it makes no difference what else is running; a blow-up takes far more. What
 * hangs runs into the limit of the test.
 */
const MAX_EFFORT_MS = 5000;

/** The service under attack, watched from outside. */
export class TargetService {
  readonly stowage: LocalStowage;
  readonly world: World;
  readonly #database: TestDatabase;
  readonly #watcher: DatabaseSync | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(stowage: LocalStowage, database: TestDatabase) {
    this.stowage = stowage;
    this.world = new World(stowage.client);
    this.#database = database;
    const settings = parseConnectionUrl(database.connection);
    this.#watcher = settings.engine === "sqlite" ? new DatabaseSync(settings.file) : undefined;
  }

  static async start(engine: Engine): Promise<TargetService> {
    const database = await engine.borrowDatabase();
    const { connection } = database;
    const stowage = await startHere({
      placementDatabase: { connection, sqliteSynchronous: false },
      // Hostile hosts are to get further than to be told that they are wrong here.
      stowage: { allowInsecureNoauth: true },
    });
    const target = new TargetService(stowage, database);
    await target.world.build();
    return target;
  }

  async stop(): Promise<void> {
    this.#watcher?.close();
    await this.stowage.stop();
    await this.#database.remove();
  }

  /** Sends attacks one after the other, mending what they have changed; returns what is wrong. */
  attackAll(attacks: Iterable<Attack>): Promise<string[]> {
    return this.#inTurn(async () => {
      const harm: string[] = [];
      for (const attack of attacks) {
        const { status, verdict } = await this.#attack(attack);
        harm.push(...verdict.map((problem) => `${describeAttack(attack)}: ${problem}`));
        if (status < 300 && attack.method !== "GET") await this.world.restore();
      }
      return harm;
    });
  }

  /**
   * Sends variants of a good document, which is made anew whenever one has been let through and
   * changed something; returns what is wrong.
   */
  attackFields(
    specimen: Specimen,
    variantsOf: (document: unknown) => Iterable<SpoiltDocument>,
  ): Promise<string[]> {
    return this.#inTurn(async () => {
      const harm: string[] = [];
      const [method, path] = requestOf(specimen);
      let variants = [...variantsOf(await specimen.body(this.world))];
      for (let at = 0; at < variants.length; at += 1) {
        const { label, write } = variants[at]!;
        const attack = { label, method, path, version: specimen.version, body: write() };
        const { status, verdict } = await this.#attack(attack);
        harm.push(...verdict.map((problem) => `${describeAttack(attack)}: ${problem}`));
        if (status >= 300) continue;
        await this.world.restore();
        variants = [...variantsOf(await specimen.body(this.world))];
      }
      return harm;
    });
  }

  /**
   * A test that has run out of time goes on while the next one runs: what it writes would be taken for
   * that one's.
   */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Sends the attack and judges all that can be seen of it. */
  async #attack(attack: Attack): Promise<{ readonly status: number; readonly verdict: Verdict }> {
    const { client, service, statements } = this.stowage;
    // When another transaction has written, what notes refusals behind the scenes is done.
    if (statements.some(isOfService)) await service.database.writer(CONTEXT, () => {});
    const before = this.#dataVersion();
    statements.length = 0;
    // The service runs in this process.
    const begun = process.cpuUsage();
    const { method, path, version = "1.39", headers = {}, body } = attack;
    const reply = await client.send(method, path, { version, headers, body });
    const { user, system } = process.cpuUsage(begun);
    const effortMs = (user + system) / 1000;
    const isRefused = reply.status >= 400 || method === "GET";
    const verdict = [
      ...judgeReply(reply, headers["accept"] === undefined),
      ...this.#judgeStatements(),
      ...(isRefused && this.#dataVersion() !== before && !statements.some(isOfService)
        ? ["refused, and the data changed"]
        : []),
      ...(isRefused ? judgeWrites(statements) : []),
      ...(effortMs > MAX_EFFORT_MS ? [`took ${Math.round(effortMs)} ms of the processor`] : []),
    ];
    return { status: reply.status, verdict };
  }

  #judgeStatements(): Verdict {
    return [...new Set(this.stowage.statements)]
      .filter((text) => text.includes(MARKER) || hasConstant(text) || !hasPlainNames(text))
      .map((text) => `statement from input: ${text.slice(0, 200)}`);
  }

  /** Raised by SQLite whenever another connection has changed the file. */
  #dataVersion(): unknown {
    return this.#watcher?.prepare("PRAGMA data_version").get()?.["data_version"];
  }
}

/**
 * Nothing was written, or it was rolled back: also where the commit was sent along with a statement that
 * failed. What the service writes by itself now and then is nobody's request.
 */
function judgeWrites(statements: readonly string[]): Verdict {
  const begins = statements.flatMap((text, at) => (/^(begin|start) /i.test(text) ? [at] : []));
  return [0, ...begins].flatMap((begin, at) => {
    const transaction = statements.slice(begin, begins[at]);
    const written = transaction.find((text) => /^(insert|update|delete) /i.test(text));
    const isCommitted = transaction.includes("commit") && !transaction.includes("rollback");
    return written !== undefined && isCommitted && !transaction.some(isOfService)
      ? [`refused, and committed: ${written}`]
      : [];
  });
}

/**
 * Whether a statement is of a transaction that closes gaps in the change feed, which names nobody, or notes
 * refusals or makes the history of what was done before, which is done some time after the request.
 */
function isOfService(text: string): boolean {
  return (
    /^insert into .stowage_changes. \(.created_at., .kind., .subject., .request_id.\) /.test(
      text,
    ) ||
    /^insert into .stowage_(refusals|history|state). /.test(text) ||
    /^update .stowage_state. /.test(text)
  );
}

const CONTEXT = { requestId: "attack", userId: undefined, projectId: undefined };

/** Whether a text or a number stands in a statement: it would have to be a bound value. */
function hasConstant(text: string): boolean {
  return CONSTANT.test(text.replaceAll(CLOCK, ""));
}

const CONSTANT = /'|(?<![\w"$])\d/;
/** What asks for the time of the database has one by nature. */
const CLOCK = /clock_timestamp\(\) at time zone 'utc'|utc_timestamp\(6\)/g;

/** Names are those of tables, columns and aliases. */
function hasPlainNames(text: string): boolean {
  return Array.from(text.matchAll(/["`]([^"`]*)["`]/g)).every(([, name = ""]) =>
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

function describeAttack({ label, method, path, headers }: Attack): string {
  return `${method} ${brief(path)} (${label}${headers ? ` ${brief(headers)}` : ""})`;
}
