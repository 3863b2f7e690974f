import { readdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { ConfigError } from "./config-error.ts";
import { isThere } from "./is-there.ts";

/** The environment variables of a process, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ConfigLocationRequest {
  /** `--config-file`, in the order given. */
  readonly configFiles?: readonly string[];
  /** `--config-dir`, in the order given. */
  readonly configDirs?: readonly string[];
  readonly environment: Environment;
  /** What relative paths start from; the process' own by default. */
  readonly workingDirectory?: string;
  /** The directory of the system's configuration, `/etc`. */
  readonly systemDirectory?: string;
}

interface ConfigLocations {
  /** The files to read; where two set an option, the later one counts. */
  readonly files: readonly string[];
  /** Where to look for files that an option names by a relative path, such as `policy.yaml`. */
  readonly directories: readonly string[];
}

const FILE_NAME = "placement.conf";
const DIRECTORY_NAME = "placement.conf.d";

/**
 * Finds the configuration where oslo.config finds it: the files given, or the default file; then the
 * `*.conf` of the directories given, or of the default directory, in the order of their names. So
 * `--config-dir` alone does not keep the default file from being read.
 *
 * The default file is `$OS_PLACEMENT_CONFIG_DIR/placement.conf`, which must exist then, or the first
 * in {@link standardDirectories}. The default directory is the first `placement.conf.d` in the same
 * places; upstream does not look for it in `$OS_PLACEMENT_CONFIG_DIR`.
 *
 * What was asked for must be there, and what is there must be readable: a service that does not find
 * its configuration would run without authentication.
 *
 * @throws ConfigError when a directory that was asked for does not exist or holds no `*.conf`, or
 *   when it cannot be told whether a file is there.
 */
export function locateConfig(request: ConfigLocationRequest): ConfigLocations {
  const absolute = (path: string) => absolutePath(path, request);
  const configured = request.environment["OS_PLACEMENT_CONFIG_DIR"]?.trim() ?? "";
  const configuredDirectories = configured === "" ? [] : [absolute(configured)];
  const standard = standardDirectories(request);

  const files = request.configFiles?.map(absolute) ?? [];
  if (files.length === 0) {
    if (configured === "") files.push(...firstExisting(standard, FILE_NAME));
    else files.push(...configuredDirectories.map((directory) => join(directory, FILE_NAME)));
  }

  const given = request.configDirs?.map(absolute) ?? [];
  for (const directory of given) checkGivenDirectory(directory);
  const directories =
    given.length > 0
      ? given
      : firstExisting([...configuredDirectories, ...standard], DIRECTORY_NAME);

  return {
    files: [...files, ...directories.flatMap(configFilesIn)],
    directories: unique([...given, ...files.map((file) => dirname(file)).reverse(), ...standard]),
  };
}

/** The places of oslo.config's `find_config_files` for the project `placement`. */
function standardDirectories(request: ConfigLocationRequest): string[] {
  const { systemDirectory = "/etc", environment } = request;
  const home = homeDirectory(environment);
  const snaps = [environment["SNAP_COMMON"], environment["SNAP"]].filter((path) => path);
  return [
    join(home, ".placement"),
    home,
    join(systemDirectory, "placement"),
    systemDirectory,
    ...snaps.map((path) => join(path ?? "", "etc", "placement")),
  ];
}

export function homeDirectory(environment: Environment): string {
  return environment["HOME"] || homedir();
}

function absolutePath(path: string, request: ConfigLocationRequest): string {
  const expanded = path.replace(/^~(?=$|\/)/, () => homeDirectory(request.environment));
  return resolve(request.workingDirectory ?? process.cwd(), expanded);
}

function checkGivenDirectory(directory: string): void {
  if (!exists(directory)) throw new ConfigError(`${directory}: no such directory`);
  if (configFilesIn(directory).length > 0) return;
  throw new ConfigError(`${directory}: there is no *.conf file in this directory`);
}

function firstExisting(directories: readonly string[], name: string): string[] {
  const found = directories.map((directory) => join(directory, name)).find(exists);
  return found === undefined ? [] : [found];
}

function exists(path: string): boolean {
  return lookAt(path, () => isThere(path));
}

function configFilesIn(directory: string): string[] {
  return lookAt(directory, () => readdirSync(directory))
    .filter((name) => name.endsWith(".conf") && !name.startsWith("."))
    .sort()
    .map((name) => join(directory, name));
}

function lookAt<Result>(path: string, look: () => Result): Result {
  try {
    return look();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ConfigError(`${path}: it cannot be told what is there: ${code ?? message}`, {
      cause: error,
    });
  }
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
