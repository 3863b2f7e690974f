import { inspect } from "node:util";
import { Command, CommanderError, InvalidArgumentError } from "commander";

import { loadConfig, type ConfigOverrides, type LoadedConfig } from "../config/config.ts";
import { isForOperator } from "../config/operator-error.ts";
import { VERSION } from "../config/version.ts";
import { addAskCommands } from "./ask/commands.ts";
import { makeDatabaseFolder } from "./make-database-folder.ts";
import type { ConfigShowOptions } from "./admin/config.ts";
import type { HealthOptions } from "./admin/health.ts";
import type { PolicyCheckOptions } from "./admin/policy.ts";
import type { Surroundings, Terminal } from "./terminal.ts";
import { repeated } from "./repeated.ts";
import { wholeNumber } from "./whole-number.ts";

// The table of commands. Each imports its file when it is asked for: a start is mostly imports.

/**
 * Runs a command line, without the name of the program.
 *
 * @throws what {@link report} tells the operator
 * @returns the exit code
 */
export async function runProgram(
  args: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  let exitCode = 0;
  const program = describeProgram(surroundings, (code) => (exitCode = code));
  await program.parseAsync(args, { from: "user" });
  return exitCode;
}

/**
 * Tells the operator what went wrong, with a stack trace only where it is a defect.
 *
 * @returns the exit code
 */
export function report(error: unknown, { problems }: Terminal): number {
  if (error instanceof CommanderError) return exitCodeOf(error);
  problems.write(`stowage: ${isForOperator(error) ? error.message : inspect(error)}\n`);
  return 1;
}

function describeProgram(
  surroundings: Surroundings,
  onExitCode: (exitCode: number) => void,
): Command {
  const { environment, output, problems } = surroundings;

  /** The action of a command, whose exit code becomes that of the program. */
  const run = (execute: (command: Command) => Promise<number>) =>
    async function (this: Command): Promise<void> {
      onExitCode(await execute(this));
    };
  const load = (command: Command, overrides?: ConfigOverrides, isDemo?: boolean) =>
    loadFor(command, environment, overrides, isDemo);

  const program = new Command("stowage")
    .description(
      "Keeps count of what a fleet has and who has claimed it: OpenStack Placement's API.",
    )
    .version(VERSION, "--version")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => output.write(text),
      writeErr: (text) => problems.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, "stowage: ")),
    })
    .exitOverride()
    .option(
      "--config-file <path>",
      "read this file; may be repeated, the last one counts",
      repeated,
    )
    .option("--config-dir <path>", "read the *.conf files in this directory after them", repeated)
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
    .option("--demo", "a first look: read no configuration, use SQLite, ask nobody for a password")
    .action(
      run(async (command) => {
        // A signal may come before all the rest has been imported.
        const { Signals } = await import("./serve/signals.ts");
        const signals = new Signals();
        const { serve } = await import("./serve/serve.ts");
        const { host, port, workers, demo } = command.opts<ServeOptions>();
        return serve({
          signals,
          load: () => load(command, { stowage: { host, port, workers } }, demo),
          environment,
          output,
        });
      }),
    );

  program
    .command("health")
    .description("ask the running service whether it is ready; with OS_TOKEN, why it is not")
    .option("--url <url>", "where to ask; where the configuration says unless given", httpUrl)
    .option("--alive", "ask only whether it serves, whatever has become of the database")
    .action(
      run(async (command) => {
        const { checkHealth } = await import("./admin/health.ts");
        return checkHealth(
          load(command).config,
          command.opts<HealthOptions>(),
          environment,
          surroundings,
        );
      }),
    );

  const db = program.command("db").description("look after the database");

  db.command("sync")
    .description("create the schema, or bring it to the newest revision")
    .action(
      run(async (command) => {
        const { syncDatabase } = await import("./admin/db.ts");
        return syncDatabase(load(command).config, surroundings);
      }),
    );

  db.command("version")
    .description("print the revision of the schema")
    .action(
      run(async (command) => {
        const { printDatabaseVersion } = await import("./admin/db.ts");
        return printDatabaseVersion(load(command).config, surroundings);
      }),
    );

  db.command("stamp")
    .description("write down a revision without changing the schema")
    .argument("<version>", "the revision, or head")
    .action(
      run(async (command) => {
        const { stampDatabase } = await import("./admin/db.ts");
        const [version = ""] = command.args;
        return stampDatabase(load(command).config, version, surroundings);
      }),
    );

  db.command("online_data_migrations")
    .description("migrate data that older releases left behind")
    .option("--max-count <number>", "stop after so many records")
    .action(
      run(async (command) => {
        const { runOnlineDataMigrations } = await import("./admin/db.ts");
        const { maxCount } = command.opts<{ maxCount?: string }>();
        return runOnlineDataMigrations(load(command).config, maxCount, surroundings);
      }),
    );

  db.command("check")
    .description(
      "tell what in the tables is not as it should be, and what mends it; writes nothing",
    )
    .option("--json", "print JSON instead of text")
    .action(
      run(async (command) => {
        const { checkDatabase } = await import("./admin/db-check.ts");
        const { json = false } = command.opts<{ json?: true }>();
        return checkDatabase(load(command).config, { json }, surroundings);
      }),
    );

  addConfigCommands(program, run, surroundings);

  const triggers = db
    .command("triggers")
    .description("let Placement write to the same database, during a rolling migration");

  triggers
    .command("install")
    .description("see what other programs write; replaces triggers that are there")
    .action(
      run(async (command) => {
        const { installDatabaseTriggers } = await import("./admin/triggers.ts");
        return installDatabaseTriggers(load(command).config, surroundings);
      }),
    );

  triggers
    .command("remove")
    .description("leave the tables as Placement knows them")
    .action(
      run(async (command) => {
        const { removeDatabaseTriggers } = await import("./admin/triggers.ts");
        return removeDatabaseTriggers(load(command).config, surroundings);
      }),
    );

  program
    .command("status")
    .description("look at the deployment")
    .command("upgrade")
    .description("before an upgrade")
    .command("check")
    .description("tell whether the deployment is ready for a newer release")
    .option("--json", "print JSON instead of a table")
    .action(
      run(async (command) => {
        const { checkUpgrade } = await import("./admin/status.ts");
        const { json = false } = command.opts<{ json?: true }>();
        return checkUpgrade(load(command), { json }, surroundings);
      }),
    );

  addAskCommands(program, run, { ...surroundings, load });

  const policy = program.command("policy").description("look at who may do what");

  policy
    .command("list")
    .description("print the rules in force, and where each is from")
    .action(
      run(async (command) => {
        const { policyList } = await import("./admin/policy.ts");
        return policyList(load(command), output, problems);
      }),
    );

  policy
    .command("sample")
    .description("print a policy file with all defaults, commented out")
    .action(
      run(async () => {
        const { policySample } = await import("./admin/policy.ts");
        return policySample(output);
      }),
    );

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
    .option("--role <name>", "a role of the user; may be repeated", repeated)
    .option("--service-role <name>", "a role of the service that asks; may be repeated", repeated)
    .option(
      "--target-project <id>",
      "the project that is asked about; that of the token by default",
    )
    .action(
      run(async (command) => {
        const { policyCheck } = await import("./admin/policy.ts");
        const options = command.opts<PolicyCheckOptions>();
        return policyCheck(load(command), command.args, options, output, problems);
      }),
    );

  return program;
}

function addConfigCommands(program: Command, run: Run, surroundings: Surroundings): void {
  const { environment } = surroundings;
  const config = program.command("config").description("look at the configuration");

  config
    .command("show")
    .description("print what was read from where, without secrets")
    .option("--all", "the options as well of which nothing was said")
    .option("--json", "print JSON instead of text")
    .action(
      run(async (command) => {
        const { showConfig } = await import("./admin/config.ts");
        return showConfig(
          readFor(command, environment),
          command.opts<ConfigShowOptions>(),
          surroundings,
        );
      }),
    );

  config
    .command("check")
    .description("tell whether the service would start, and could do its work; serves nothing")
    .option("--json", "print JSON instead of text")
    .action(
      run(async (command) => {
        const { checkConfig } = await import("./admin/config-check.ts");
        const options = command.opts<{ readonly json?: true }>();
        return checkConfig(readFor(command, environment), options, surroundings);
      }),
    );
}

/** Makes the action of a command, whose exit code becomes that of the program. */
type Run = (execute: (command: Command) => Promise<number>) => (this: Command) => Promise<void>;

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
  readonly demo?: true;
}

function loadFor(
  command: Command,
  environment: NodeJS.ProcessEnv,
  overrides: ConfigOverrides = {},
  isDemo = false,
): LoadedConfig {
  const loaded = readFor(command, environment, overrides, isDemo);
  makeDatabaseFolder(loaded);
  return loaded;
}

/** The same without making anything. */
function readFor(
  command: Command,
  environment: NodeJS.ProcessEnv,
  overrides: ConfigOverrides = {},
  isDemo = false,
): LoadedConfig {
  const { configFile, configDir, debug, logFile, logDir, useJson } =
    command.optsWithGlobals<GlobalOptions>();
  return loadConfig({
    ...(configFile && { configFiles: configFile }),
    ...(configDir && { configDirs: configDir }),
    environment,
    isDemo,
    isInteractive: process.stdin.isTTY,
    overrides: { ...overrides, default: { debug, logFile, logDir, useJson } },
  });
}

function portNumber(text: string): number {
  return wholeNumber(text, 0, 65_535);
}

function httpUrl(text: string): URL {
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol)) return url;
  throw new InvalidArgumentError("It must be a URL of HTTP or HTTPS.");
}

function workerCount(text: string): number {
  return wholeNumber(text, 1, Number.MAX_SAFE_INTEGER);
}

/** Commander has printed what it has to say. As of argparse: 2 for a wrong command line. */
function exitCodeOf({ exitCode }: CommanderError): number {
  return exitCode === 0 ? 0 : 2;
}
