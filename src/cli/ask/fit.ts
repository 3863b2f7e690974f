import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";

import { parseJson } from "../../api/validation/parse-json.ts";
import { readFlavors } from "../../config/flavors-file.ts";
import { messageOf, OperatorError } from "../../config/operator-error.ts";
import type { Terminal } from "../terminal.ts";
import { describeFits, type ToldFits } from "./describe-fits.ts";
import { queriesOfFlavors } from "./nova-flavors.ts";
import { printLines } from "./print-lines.ts";
import { withSource, type SourceOptions } from "./source.ts";

/** Command-line options of `stowage fit`. */
interface FitCommand extends SourceOptions {
  /** Each a query, or a name with one: `m1.large=resources=VCPU:4`. */
  readonly queries: readonly string[];
  /** A file with more of them; `-` is standard input. */
  readonly flavors?: string;
  /** As the API has them. */
  readonly suppose: readonly object[];
  readonly maxPerHost?: number;
  readonly maxPerAggregate?: number;
  readonly byAggregate?: readonly string[];
  readonly hosts?: number;
  readonly json?: true;
}

/** Nothing fits, or a host cannot be emptied. */
const NOTHING = 3;

class UnreadableFlavors extends OperatorError {}

/**
 * Asks how often requests fit, and whether hosts can be emptied.
 *
 * @throws CannotAsk, UnreadableFlavors, FlavorsFileError, which end the command with 1
 * @returns 0 when something fits and everybody has a place, 3 when not
 */
export async function fit(command: FitCommand, terminal: Terminal): Promise<number> {
  const flavors = new Map([
    ...(command.flavors === undefined ? [] : await readFlavorsOf(command.flavors)),
    ...command.queries.map(readQuery),
  ]);
  const { suppose, maxPerHost, maxPerAggregate, byAggregate, hosts } = command;
  const body = {
    ...(flavors.size > 0 && { flavors: Object.fromEntries(flavors) }),
    spread: {
      max_per_host: maxPerHost,
      ...(maxPerAggregate !== undefined && {
        max_per_aggregate: { aggregates: byAggregate ?? [], max: maxPerAggregate },
      }),
    },
    by_aggregate: byAggregate,
    hosts,
    suppose,
  };
  return withSource(command, terminal, async (client) => {
    const answer = await client.ask("POST", "/stowage/v1/fit", { body });
    const told = client.parse<ToldFits>(
      answer,
      (it) => typeof it.flavors === "object" && it.flavors !== null,
    );
    terminal.output.write(command.json === true ? `${answer}\n` : printLines(describeFits(told)));
    return doesFit(told) ? 0 : NOTHING;
  });
}

function doesFit({ flavors, drained = {} }: ToldFits): boolean {
  const fits = Object.values(flavors);
  return (
    (fits.length === 0 || fits.some(({ total }) => total > 0)) &&
    Object.values(drained).every(({ not_placed: notPlaced }) => notPlaced.length === 0)
  );
}

/** How a query begins that has no name before it. */
const UNNAMED =
  /^[^?=]*\?|^(resources|required|member_of|in_tree|group_policy|limit|root_required|same_subtree)/;

function readQuery(argument: string): [name: string, query: string] {
  const equals = argument.indexOf("=");
  if (UNNAMED.test(argument) || equals < 0) return [argument, argument];
  return [argument.slice(0, equals), argument.slice(equals + 1)];
}

async function readFlavorsOf(path: string): Promise<Iterable<[name: string, query: string]>> {
  let content: string;
  try {
    content = await (path === "-" ? text(process.stdin) : readFile(path, "utf8"));
  } catch (error) {
    throw new UnreadableFlavors(`${path} cannot be read: ${messageOf(error)}`);
  }
  const name = path === "-" ? "standard input" : path;
  // A list is what the OpenStack client prints; names with queries are a map.
  if (!content.trimStart().startsWith("[")) {
    return readFlavors(content, name).map((it) => [it.name, it.query]);
  }
  let list: unknown;
  try {
    list = parseJson(Buffer.from(content));
  } catch {
    throw new UnreadableFlavors(`${name} is not what openstack flavor list --long -f json prints`);
  }
  return queriesOfFlavors(list as readonly unknown[]);
}
