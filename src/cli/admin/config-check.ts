import { X509Certificate } from "node:crypto";
import { accessSync, constants, existsSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, resolve } from "node:path";

import { tryKeystone } from "../../auth/keystone/keystone-authenticator.ts";
import { AuthenticationUnavailable } from "../../auth/authenticator.ts";
import { PolicyEnforcer } from "../../auth/policy/enforcer.ts";
import type { Config, LoadedConfig } from "../../config/config.ts";
import { ConfigError } from "../../config/config-error.ts";
import { describeConnection } from "../../config/connection-url.ts";
import { databaseOf } from "../../config/database-of.ts";
import { isForOperator, messageOf, processUser } from "../../config/operator-error.ts";
import type { Database } from "../../db/database.ts";
import { describeSchema, checkIsReadable } from "../../db/migrations/migrate.ts";
import { openDatabase } from "../../db/open-database.ts";
import { findMissingRights } from "../../db/rights.ts";
import { DatabaseUnavailable } from "../../domain/errors.ts";
import { CannotListen } from "../../http/cannot-listen.ts";
import { readCertificate } from "../../http/certificate.ts";
import { configuredPlace } from "../../http/listen.ts";
import { printable } from "../../observability/logger.ts";
import { loadFitFlavors } from "../serve/fit-flavors.ts";
import { refuseOpenDoors } from "../serve/open-doors.ts";
import { describeRisks } from "../serve/risks.ts";
import { checkDatabaseTakesWorkers } from "../serve/workers.ts";
import type { Terminal } from "../terminal.ts";

/** A start would fail, or the service could not do its work. */
const FOUND = 3;

type Result = "ok" | "warning" | "error";

/** What was found out about a part of the deployment. */
interface Finding {
  readonly subject: string;
  readonly result: Result;
  readonly text: string;
}

/** Tells what it finds. What it throws that an operator can mend is an error. */
type Check = (loaded: LoadedConfig, tell: Tell) => void | Promise<void>;
type Tell = (result: Result, text: string) => void;

/** In the order in which a start would meet them. */
const CHECKS: Readonly<Record<string, Check>> = {
  configuration: checkConfiguration,
  log: ({ config }, tell) => checkLog(config, tell),
  policy: checkPolicy,
  flavors: checkFlavors,
  certificate: ({ config }, tell) => checkCertificate(config, tell),
  socket: ({ config }, tell) => checkSocket(config, tell),
  keystone: checkKeystone,
  database: ({ config }, tell) => checkDatabase(config, tell),
};

/**
 * `config check`: whether a service would start with this configuration, and could do its work. Nothing is
 * served, and nothing is written.
 *
 * @returns 0 when there is no error, 3 when there is
 */
export async function checkConfig(
  loaded: LoadedConfig,
  { json = false }: { readonly json?: boolean },
  { output }: Terminal,
): Promise<number> {
  const findings: Finding[] = [];
  for (const [subject, check] of Object.entries(CHECKS)) {
    const tell: Tell = (result, text) => findings.push({ subject, result, text });
    try {
      await check(loaded, tell);
    } catch (error) {
      if (!isTold(error)) throw error;
      tell("error", error.message);
    }
  }
  output.write(json ? `${JSON.stringify({ findings })}\n` : describe(findings));
  return findings.some(({ result }) => result === "error") ? FOUND : 0;
}

function isTold(error: unknown): error is Error {
  return (
    isForOperator(error) ||
    error instanceof DatabaseUnavailable ||
    error instanceof AuthenticationUnavailable
  );
}

function describe(findings: readonly Finding[]): string {
  return findings
    .map(({ subject, result, text }) => `${result.padEnd(7)}  ${subject.padEnd(13)}  ${text}`)
    .map((line) => `${printable(line)}\n`)
    .join("");
}

function checkConfiguration({ config, sources, warnings, isZeroConfig }: LoadedConfig, tell: Tell) {
  const read = sources.length > 0 ? `read ${sources.join(", ")}` : "no file was read";
  tell("ok", isZeroConfig ? "nothing is configured: the defaults of a first look" : read);
  for (const warning of [...warnings, ...describeRisks(config)]) tell("warning", warning);
  checkDatabaseTakesWorkers(config);
}

function checkLog({ default: { logFile, logDir } }: Config, tell: Tell): void {
  if (logFile === undefined) return tell("ok", "goes to standard error");
  const path = resolve(logDir ?? "", logFile);
  checkCanWrite("[DEFAULT] log_file", path);
  tell("ok", `goes to ${path}`);
}

/** To a file, or into the folder of one that is not there. */
function checkCanWrite(option: string, path: string): void {
  const place = existsSync(path) ? path : dirname(path);
  try {
    accessSync(place, constants.W_OK);
  } catch (error) {
    throw new ConfigError(
      `${option}: ${processUser()} cannot write to ${place} (${messageOf(error)})`,
      { cause: error },
    );
  }
}

function checkPolicy(loaded: LoadedConfig, tell: Tell): void {
  const { rules } = PolicyEnforcer.load(loaded, (warning) => tell("warning", warning));
  const files = new Map<string, number>();
  for (const { origin } of rules.values()) {
    if (typeof origin === "object") files.set(origin.file, (files.get(origin.file) ?? 0) + 1);
  }
  const from = [...files].map(([file, count]) => `${count} of them from ${file}`);
  tell("ok", [`${rules.size} rules`, ...from].join(", "));
}

function checkFlavors(loaded: LoadedConfig, tell: Tell): void {
  const { size } = loadFitFlavors(loaded);
  if (size > 0) tell("ok", `${size} are counted for metrics`);
}

/** A certificate is renewed a month before its end by those that renew themselves. */
const ENDS_SOON_MS = 14 * 24 * 3600 * 1000;

function checkCertificate({ stowage }: Config, tell: Tell): void {
  const certificate = readCertificate(stowage);
  if (!certificate) return tell("ok", "none: the service speaks HTTP");
  const {
    subject,
    subjectAltName = "no name",
    validFrom,
    validTo,
  } = new X509Certificate(certificate.cert);
  const whose = `of ${subject?.replaceAll("\n", ", ") ?? "nobody"} for ${subjectAltName}`;
  const now = Date.now();
  if (now < Date.parse(validFrom))
    return tell("error", `${whose} is not valid before ${validFrom}`);
  if (now > Date.parse(validTo)) return tell("error", `${whose} is not valid since ${validTo}`);
  const isEnding = now > Date.parse(validTo) - ENDS_SOON_MS;
  tell(isEnding ? "warning" : "ok", `${whose}, valid until ${validTo}`);
}

async function checkSocket(config: Config, tell: Tell): Promise<void> {
  const place = configuredPlace(config);
  if ("path" in place) {
    if (existsSync(place.path))
      return tell("warning", `${place.path} is there: perhaps it is served`);
    checkCanWrite("[stowage] unix_socket", place.path);
    return tell("ok", `${place.path} can be made`);
  }
  if (!("host" in place)) return;
  refuseOpenDoors(config, place);
  const server = createServer();
  try {
    await new Promise<void>((accept, reject) => {
      server.once("error", reject);
      server.listen(place, accept);
    });
    tell("ok", `${place.host}, port ${place.port} is free`);
  } catch (error) {
    const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
    tell(isTaken ? "warning" : "error", new CannotListen(place, error).message);
  } finally {
    server.close();
  }
}

async function checkKeystone({ config }: LoadedConfig, tell: Tell): Promise<void> {
  if (config.api.authStrategy !== "keystone") return tell("ok", "is not asked: noauth2");
  const url = await tryKeystone(config.keystoneAuthtoken, (warning) => tell("warning", warning));
  tell("ok", `the service can log in, and tokens are validated at ${url}`);
}

async function checkDatabase(config: Config, tell: Tell): Promise<void> {
  const settings = databaseOf(config);
  const place = describeConnection(settings);
  if (settings.engine === "sqlite" && settings.file !== ":memory:") {
    checkCanWrite("[placement_database] connection", settings.file);
    if (!existsSync(settings.file)) {
      return tell("warning", `${place} is not there yet: stowage db sync makes it`);
    }
  }
  // A start waits for a database that is away: who asks wants to know now.
  const placementDatabase = { ...config.placementDatabase, maxRetries: 0 };
  const isReadOnly = settings.engine === "sqlite";
  const database = await openDatabase({ ...config, placementDatabase }, { isReadOnly });
  try {
    const { revision } = await describeSchema(database);
    tell("ok", `${place} answers; its revision is ${revision ?? "none"}`);
    await checkRights(database, tell);
    await checkIsReadable(database);
  } finally {
    await database.close();
  }
}

async function checkRights(database: Database, tell: Tell): Promise<void> {
  const rights = await findMissingRights(database);
  if (!rights) return;
  const { onTables, canCreateTables, canMakeTriggers } = rights;
  if (onTables.length > 0) tell("error", `the database user may not ${onTables.join(", ")}`);
  if (!canCreateTables) {
    tell(
      "warning",
      "the database user may not create tables, as stowage db sync and a first start do",
    );
  }
  if (!canMakeTriggers) {
    tell("warning", "the database user may not make triggers, as stowage db triggers install does");
  }
}
