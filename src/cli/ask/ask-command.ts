import { InvalidArgumentError, type Command } from "commander";

import type { LoadedConfig } from "../../config/config.ts";
import type { Surroundings } from "../terminal.ts";
import { wholeNumber } from "../whole-number.ts";
import type { SourceOptions } from "./source.ts";

// What the commands that are questions have in common.

/** Makes the action of a command, whose exit code becomes that of the program. */
export type Run = (
  execute: (command: Command) => Promise<number>,
) => (this: Command) => Promise<void>;

/** What the actions of these commands need. */
export interface AskSurroundings extends Surroundings {
  /** Reads the configuration that a command names. */
  readonly load: (command: Command) => LoadedConfig;
}

/** A command that asks something of which the answer is a text; {@link sourceOf} reads where. */
export function askCommand(program: Command, name: string): Command {
  return sourceCommand(program, name).option("--json", "print the answer as it came");
}

export function sourceCommand(program: Command, name: string): Command {
  return program
    .command(name)
    .option("--url <url>", "of the service; OS_PLACEMENT_ENDPOINT_OVERRIDE by default");
}

/** What the command asks: the database that `--config-dir` names, a snapshot, or else a service. */
export function sourceOf(command: Command, { environment, load }: AskSurroundings): SourceOptions {
  const { url, snapshot, configFile, configDir } = command.optsWithGlobals<{
    readonly url?: string;
    readonly snapshot?: string;
    readonly configFile?: readonly string[];
    readonly configDir?: readonly string[];
  }>();
  const isOffline = [snapshot, configFile, configDir].some((given) => given !== undefined);
  return {
    url: url ?? (isOffline ? undefined : environment["OS_PLACEMENT_ENDPOINT_OVERRIDE"]),
    token: environment["OS_TOKEN"],
    ...(snapshot !== undefined && { snapshot }),
    ...((configFile ?? configDir) && { loadConfig: () => load(command) }),
  };
}

export function time(text: string): Date {
  const date = new Date(text);
  if (/^\d{4}-\d\d-\d\dT.*Z$/.test(text) && !Number.isNaN(date.getTime())) return date;
  throw new InvalidArgumentError("It must be a time such as 2026-11-27T19:00:00Z.");
}

export function positive(text: string): number {
  return wholeNumber(text, 1, 2_147_483_647);
}
