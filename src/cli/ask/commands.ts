import { InvalidArgumentError, Option, type Command } from "commander";

import { repeated } from "../repeated.ts";
import { PREFERENCES } from "../../domain/preference.ts";
import { wholeNumber } from "../whole-number.ts";
import {
  askCommand,
  positive,
  sourceCommand,
  sourceOf,
  type AskSurroundings,
  type Run,
} from "./ask-command.ts";
import type { ClaimOptions } from "./claim.ts";
import { addPastCommands } from "./past-commands.ts";
import type { SnapshotCommand } from "./snapshot.ts";
import { addSupposeOptions } from "./suppose-options.ts";

/** Adds the commands that are questions: to a running service, or beside one to its database. */
export function addAskCommands(program: Command, run: Run, surroundings: AskSurroundings): void {
  addExplain(program, run, surroundings);
  addFit(program, run, surroundings);
  addWhy(program, run, surroundings);
  addClaim(program, run, surroundings);
  addSnapshot(program, run, surroundings);
  addMetrics(program, run, surroundings);
  addWatch(program, run, surroundings);
  addPastCommands(program, run, surroundings);
}

function addExplain(program: Command, run: Run, surroundings: AskSurroundings): void {
  snapshotOption(askCommand(program, "explain"))
    .description("ask why a query for allocation candidates finds nothing")
    .argument("<query>", "as that of GET /allocation_candidates")
    .option("--host <provider>", "explain the tree of this provider alone, by UUID or name")
    .option("--nearest <number>", "tell about so many of the nearest hosts", nearestCount)
    .action(
      run(async (command) => {
        const { explain } = await import("./explain.ts");
        const options = command.opts<ExplainOptions>();
        const [query = ""] = command.args;
        return explain({ ...options, query, ...sourceOf(command, surroundings) }, surroundings);
      }),
    );
}

function addFit(program: Command, run: Run, surroundings: AskSurroundings): void {
  const suppose: { readonly drain?: string }[] = [];
  addSupposeOptions(snapshotOption(askCommand(program, "fit")), suppose)
    .description("ask how often requests fit, now and if nothing were claimed")
    .argument(
      "[query...]",
      "as that of GET /allocation_candidates, with a name before it: m1=resources=…",
    )
    .option(
      "--flavors <file>",
      "names with queries in YAML, or flavors in JSON; - is standard input",
    )
    .option("--max-per-host <number>", "count so many on one host at most", positive)
    .option("--by-aggregate <uuid>", "tell how much is in this aggregate; may be repeated", append)
    .option("--max-per-aggregate <number>", "count so many in each of them at most", positive)
    .option("--hosts <number>", "name so many of the hosts that take most", nearestCount)
    .action(
      run(async (command) => {
        const { fit } = await import("./fit.ts");
        const { required, ...options } = command.opts<FitOptions>();
        if (command.args.length === 0 && !options.flavors && !suppose.some(({ drain }) => drain)) {
          command.error("error: say what is to fit: a query, --flavors, or a host to --drain");
        }
        if (
          command.opts<{ readonly snapshot?: string }>().snapshot &&
          suppose.some(({ drain }) => drain)
        ) {
          command.error(
            "error: a snapshot does not tell who holds what: no host of it can be drained",
          );
        }
        const supposed = suppose.map((it) => (it.drain && required ? { ...it, required } : it));
        const asked = { queries: command.args, suppose: supposed };
        return fit({ ...options, ...asked, ...sourceOf(command, surroundings) }, surroundings);
      }),
    );
}

function addClaim(program: Command, run: Run, surroundings: AskSurroundings): void {
  askCommand(program, "claim")
    .description("claim the best of the candidates of a query, also while a command runs")
    .usage("[options] <query> [-- <command> [arguments]]")
    .argument("<query>", "as that of GET /allocation_candidates")
    .argument("[command...]", "run this while it is held, and give it back afterwards")
    .requiredOption("--project <id>", "whose it is to be")
    .requiredOption("--user <id>", "who claims it")
    .option("--type <name>", "of the consumer", "JOB")
    .option("--consumer <uuid>", "one is made unless given")
    .option("--generation <number>", "of a consumer of which to replace what it holds", anyNumber)
    .addOption(new Option("--prefer <how>", "which candidate to take").choices(PREFERENCES))
    .option("--among <number>", "of so many, pack and spread take the best; 0 for all", anyNumber)
    .option("--not-on <providers...>", "UUIDs or names: nothing is taken from their trees")
    .option("--attempts <number>", "how often to search, where others are faster", anyNumber)
    .option("--lease <time>", "release it after so long, such as 90s, 5m, 2h or 1d", duration)
    .option("--dry-run", "tell what would be granted, and write nothing")
    .option("--key <text>", "for safe repetition: the same request under it is made once")
    .action(
      run(async (command) => {
        const { claim } = await import("./claim.ts");
        const options = command.opts<ClaimOptions>();
        const [query = "", ...words] = command.args;
        if (words.length > 0 && options.dryRun) {
          command.error("error: a dry run holds nothing that a command could use");
        }
        const { url, token } = sourceOf(command, surroundings);
        return claim({ ...options, query, words, url, token }, surroundings);
      }),
    );
}

/** The service knows which are too large. */
function anyNumber(text: string): number {
  return wholeNumber(text, 0, Number.MAX_SAFE_INTEGER);
}

/** In seconds; the service knows which are too short or too long. */
function duration(text: string): number {
  const [, count = "", unit = "s"] = /^(\d{1,9})([smhd])?$/.exec(text) ?? [];
  if (count === "") throw new InvalidArgumentError("It must be a time such as 90s, 5m, 2h or 1d.");
  return Number(count) * (SECONDS_PER[unit] ?? 1);
}

const SECONDS_PER: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

function addSnapshot(program: Command, run: Run, surroundings: AskSurroundings): void {
  sourceCommand(program, "snapshot")
    .description("write all providers of one moment, with all that they have")
    .addOption(
      new Option("--format <name>", "one provider a line, or one document")
        .choices(["ndjson", "json"])
        .default("ndjson"),
    )
    .option("-o, --output <file>", "write to this file, which is there when it is whole")
    .option("--fields <names>", "only these: inventories, usages, traits, aggregates")
    .option("--tree <uuid>", "only the tree that this provider is in")
    .option("--name <name>", "only the provider of this name")
    .option("--member-of <uuids>", "only those in an aggregate, as member_of of the API")
    .option("--required <traits>", "only those with traits, as required of the API")
    .option("--resources <amounts>", "only those with room, such as VCPU:2,MEMORY_MB:1024")
    .action(
      run(async (command) => {
        const { writeSnapshot } = await import("./snapshot.ts");
        const { format, output, memberOf, ...asked } = command.opts<SnapshotOptions>();
        const { fields, tree, name, required, resources } = asked;
        const query = { fields, tree, name, member_of: memberOf, required, resources };
        const options = { format, query, ...(output !== undefined && { output }) };
        return writeSnapshot({ ...options, ...sourceOf(command, surroundings) }, surroundings);
      }),
    );
}

function addMetrics(program: Command, run: Run, surroundings: AskSurroundings): void {
  sourceCommand(program, "metrics")
    .description("write what providers have, in the series of openstack-exporter")
    .option("--allocations", "tell what each consumer holds, too")
    .action(
      run(async (command) => {
        const { writeMetrics } = await import("./metrics.ts");
        const options = command.opts<{ readonly allocations?: true }>();
        return writeMetrics({ ...options, ...sourceOf(command, surroundings) }, surroundings);
      }),
    );
}

interface SnapshotOptions {
  readonly format: SnapshotCommand["format"];
  readonly output?: string;
  readonly fields?: string;
  readonly tree?: string;
  readonly name?: string;
  readonly memberOf?: string;
  readonly required?: string;
  readonly resources?: string;
}

interface FitOptions {
  readonly flavors?: string;
  readonly maxPerHost?: number;
  readonly maxPerAggregate?: number;
  readonly byAggregate?: readonly string[];
  readonly hosts?: number;
  readonly required?: string;
  readonly json?: true;
}

interface ExplainOptions {
  readonly host?: string;
  readonly nearest?: number;
  readonly json?: true;
}

function addWhy(program: Command, run: Run, surroundings: AskSurroundings): void {
  askCommand(program, "why")
    .description("ask what a request did not get, and why")
    .argument(
      "<request-id>",
      "of the request, or the one under which Nova logs all that it asked for",
    )
    .action(
      run(async (command) => {
        const { why } = await import("./why.ts");
        const { json } = command.opts<{ readonly json?: true }>();
        const [requestId = ""] = command.args;
        const source = sourceOf(command, surroundings);
        return why({ requestId, isJson: json === true, ...source }, surroundings);
      }),
    );
}

function addWatch(program: Command, run: Run, surroundings: AskSurroundings): void {
  askCommand(program, "watch")
    .description("print what changes, as it happens, until it is ended")
    .option("--provider <provider>", "only about this one, by UUID or name; repeated", repeated)
    .option("--tree <uuid>", "only about the tree that this provider is in; repeated", repeated)
    .option("--consumer <uuid>", "only about this one; repeated", repeated)
    .option("--project <id>", "only about consumers of this project; repeated", repeated)
    .option("--resource-class <name>", "only about this class; repeated", repeated)
    .option("--kind <kind>", "only events of this kind, such as consumer; repeated", repeated)
    .option("--after <position>", "from there on, instead of from now on")
    .action(
      run(async (command) => {
        const { watch } = await import("./watch.ts");
        const { provider = [], after, json, ...filters } = command.opts<WatchOptions>();
        const named = Object.entries({
          tree: filters.tree,
          consumer: filters.consumer,
          project_id: filters.project,
          resource_class: filters.resourceClass,
          kind: filters.kind,
        });
        const { url, token } = sourceOf(command, surroundings);
        const asked = {
          providers: provider,
          filters: named.flatMap(([name, values = []]) =>
            values.map((value) => [name, value] as const),
          ),
          after,
          isJson: json === true,
        };
        return watch({ ...asked, url, token }, surroundings);
      }),
    );
}

interface WatchOptions extends Readonly<
  Partial<
    Record<
      "provider" | "tree" | "consumer" | "project" | "resourceClass" | "kind",
      readonly string[]
    >
  >
> {
  readonly after?: string;
  readonly json?: true;
}

/** For what can be told of a file as well. */
function snapshotOption(command: Command): Command {
  return command.option("--snapshot <file>", "ask a file that stowage snapshot has written");
}

function append(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

function nearestCount(text: string): number {
  return wholeNumber(text, 0, 100);
}
