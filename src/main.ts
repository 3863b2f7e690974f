import { createRequire } from "node:module";
import { Command, CommanderError, InvalidArgumentError } from "commander";

import {
  printDatabaseVersion,
  runOnlineDataMigrations,
  stampDatabase,
  syncDatabase,
} from "./cli/admin/db.ts";
import {
  policyCheck,
  policyList,
  policySample,
  type PolicyCheckOptions,
} from "./cli/admin/policy.ts";
import { makeDatabaseFolder } from "./cli/make-database-folder.ts";
import { serve } from "./cli/serve/serve.ts";
import { checkUpgrade } from "./cli/admin/status.ts";
import { installDatabaseTriggers, removeDatabaseTriggers } from "./cli/admin/triggers.ts";
import { WorkerEnded } from "./cli/serve/workers.ts";
import { findPolicyFiles, PolicyFileError } from "./auth/policy/policy-files.ts";
import { ConfigError } from "./config/config-error.ts";
import { loadConfig, type ConfigOverrides, type LoadedConfig } from "./config/config.ts";
import {
  DatabaseUnavailable,
  PermissionDenied,
  SchemaMismatch,
  TransactionConflict,
} from "./db/errors.ts";

const program = new Command("stowage")
  .description("Keeps count of what a fleet has and who has claimed it: OpenStack Placement's API.")
  .version(packageVersion(), "--version")
  .configureHelp({ showGlobalOptions: true })
  .exitOverride()
  .option("--config-file <path>", "read this file; may be repeated, the last one counts", append)
  .option("--config-dir <path>", "read the *.conf files in this directory after them", append)
  .option("-d, --debug", "log at level DEBUG")
  .option("--log-file <path>", "append log lines to this file")
  .option("--log-dir <path>", "the directory of a relative log file")
  .option("--use-json", "log JSON objects");

program
  .command("serve")
  .description("serve the API until told to stop")
  .option("--host <address>", "the address to listen on")
  .option("--port <number>", "the port to listen on; 0 lets the system choose one", portNumber)
  .option("--workers <number>", "the number of processes that serve requests", workerCount)
  .action(
    run((command) => {
      const { host, port, workers } = command.opts<ServeOptions>();
      return serve({
        load: () => load(command, { stowage: { host, port, workers } }),
        environment: process.env,
        output: process.stdout,
      });
    }),
  );

const db = program
  .command("db")
  .description("look after the database")
  .allowExcessArguments()
  .action(run(describeCommands));

db.command("sync")
  .description("create the schema, or bring it to the newest revision")
  .action(run((command) => syncDatabase(load(command).config)));

db.command("version")
  .description("print the revision of the schema")
  .action(run((command) => printDatabaseVersion(load(command).config, process.stdout)));

db.command("stamp")
  .description("write down a revision without changing the schema")
  .argument("<version>", "the revision, or head")
  .action(
    run((command) => {
      const [version = ""] = command.args;
      return stampDatabase(load(command).config, version);
    }),
  );

db.command("online_data_migrations")
  .description("migrate data that older releases left behind")
  .option("--max-count <number>", "stop after so many records")
  .action(
    run((command) => {
      const { maxCount } = command.opts<{ maxCount?: string }>();
      return runOnlineDataMigrations(load(command).config, maxCount, process.stdout);
    }),
  );

const triggers = db
  .command("triggers")
  .description("let Placement write to the same database, during a rolling migration");

triggers
  .command("install")
  .description("see what other programs write; replaces triggers that are there")
  .action(run((command) => installDatabaseTriggers(load(command).config, process.stdout)));

triggers
  .command("remove")
  .description("leave the tables as Placement knows them")
  .action(run((command) => removeDatabaseTriggers(load(command).config, process.stdout)));

program
  .command("status")
  .description("look at the deployment")
  .command("upgrade")
  .description("before an upgrade")
  .command("check")
  .description("tell whether the deployment is ready for a newer release")
  .option("--json", "print JSON instead of a table")
  .action(
    run((command) => {
      const { json = false } = command.opts<{ json?: true }>();
      const { config, directories } = load(command);
      const { policyFile } = config.osloPolicy;
      const [found] = findPolicyFiles({ policyFile, policyDirs: [] }, directories).paths;
      return checkUpgrade(config, { json, policyFile: found }, process.stdout);
    }),
  );

const policy = program.command("policy").description("look at who may do what");

policy
  .command("list")
  .description("print the rules in force, and where each is from")
  .action(run((command) => policyList(load(command), process.stdout, process.stderr)));

policy
  .command("sample")
  .description("print a policy file with all defaults, commented out")
  .action(run(() => policySample(process.stdout)));

policy
  .command("check")
  .description("tell what somebody may do: by the rules named, or by all of them")
  .argument("[rule...]", "such as placement:allocations:update")
  .option("--user <id>", "who asks")
  .option("--user-domain <id>", "the domain of the user")
  .option("--project <id>", "the project of the token")
  .option("--project-domain <id>", "the domain of the project")
  .option("--domain <id>", "the domain that the token is for")
  .option("--system-scope <scope>", "the system that the token is for, which is: all")
  .option("--role <name>", "a role of the user; may be repeated", append)
  .option("--service-role <name>", "a role of the service that asks; may be repeated", append)
  .option("--target-project <id>", "the project that is asked about; that of the token by default")
  .action(
    run((command) => {
      const options = command.opts<PolicyCheckOptions>();
      return policyCheck(load(command), command.args, options, process.stdout, process.stderr);
    }),
  );

// What reads our output may have seen enough, such as `head`. Not even a server minds.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  // At once, even where something was opened before the failure.
  process.exit(report(error));
}

/** Options of every command, before or after its name. */
interface GlobalOptions {
  readonly configFile?: readonly string[];
  readonly configDir?: readonly string[];
  readonly debug?: boolean;
  readonly logFile?: string;
  readonly logDir?: string;
  readonly useJson?: boolean;
}

interface ServeOptions {
  readonly host?: string;
  readonly port?: number;
  readonly workers?: number;
}

/** The action of a command, whose exit code becomes that of the process. */
function run(execute: (command: Command) => number | Promise<number>) {
  return async function (this: Command): Promise<void> {
    process.exitCode = await execute(this);
  };
}

/** As `placement-manage db`: help that was not asked for, but no mistake. */
function describeCommands(command: Command): number {
  const [unknown] = command.args;
  if (unknown !== undefined) command.error(`error: unknown command '${unknown}'`);
  command.outputHelp();
  return 0;
}

function load(command: Command, overrides: ConfigOverrides = {}): LoadedConfig {
  const { configFile, configDir, debug, logFile, logDir, useJson } =
    command.optsWithGlobals<GlobalOptions>();
  const loaded = loadConfig({
    ...(configFile && { configFiles: configFile }),
    ...(configDir && { configDirs: configDir }),
    environment: process.env,
    overrides: { ...overrides, default: { debug, logFile, logDir, useJson } },
  });
  makeDatabaseFolder(loaded);
  return loaded;
}

function append(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

function portNumber(text: string): number {
  return wholeNumber(text, 0, 65_535);
}

function workerCount(text: string): number {
  return wholeNumber(text, 1, Number.MAX_SAFE_INTEGER);
}

function wholeNumber(text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
}

/** Tells the operator what went wrong, with a stack trace only where it is a defect. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return exitCodeOf(error);
  console.error(isForOperator(error) ? `stowage: ${error.message}` : error);
  return 1;
}

/** Commander has printed what it has to say. As of argparse: 2 for a wrong command line. */
function exitCodeOf({ exitCode }: CommanderError): number {
  return exitCode === 0 ? 0 : 2;
}

function isForOperator(error: unknown): error is Error {
  return (
    error instanceof ConfigError ||
    error instanceof PolicyFileError ||
    error instanceof SchemaMismatch ||
    error instanceof DatabaseUnavailable ||
    error instanceof TransactionConflict ||
    error instanceof PermissionDenied ||
    error instanceof WorkerEnded ||
    // From the operating system, such as an address in use or a file that may not be written.
    (error instanceof Error && "syscall" in error)
  );
}

function packageVersion(): string {
  const { version } = createRequire(import.meta.url)("../package.json") as { version: string };
  return version;
}
