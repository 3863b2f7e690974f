import { type Command, InvalidArgumentError } from "commander";

import { wholeNumber } from "../whole-number.ts";

/** Adds the options that suppose something of a fleet; they count in the order in which they are given. */
export function addSupposeOptions(command: Command, suppose: object[]): Command {
  const one = (supposition: (text: string) => object) => (text: string) => {
    suppose.push(supposition(text));
    return text;
  };
  return command
    .option(
      "--without <provider>",
      "as if it were not there",
      one((without) => ({ without })),
    )
    .option(
      "--empty <provider>",
      "as if nothing were claimed from it",
      one((empty) => ({ empty })),
    )
    .option("--add <provider=count>", "as if there were more such hosts, empty", one(readAdd))
    .option(
      "--set <provider:class:amount=value>",
      "as if it had another inventory, such as *:VCPU:allocation_ratio=6",
      one(readSet),
    )
    .option(
      "--drain <provider>",
      "as if its consumers were moved elsewhere: can it be emptied?",
      one((drain) => ({ drain })),
    )
    .option("--required <traits>", "that hosts must have for those who are moved");
}

function readAdd(text: string): object {
  const [, like, count] = /^(.+)=([0-9]+)$/.exec(text) ?? [];
  if (like === undefined) throw new InvalidArgumentError("It must be such as cmp-0001=10.");
  return { add: { like, count: wholeNumber(count ?? "", 1, 100_000) } };
}

const AMOUNTS = ["total", "reserved", "min_unit", "max_unit", "step_size", "allocation_ratio"];

function readSet(text: string): object {
  // A name may have colons of its own.
  const parts = text.split(":");
  const amounts = parts.pop();
  const resourceClass = parts.pop();
  const provider = parts.join(":");
  const pairs = (amounts ?? "").split(",").map((pair) => pair.split("="));
  const isWrong = pairs.some(
    ([name = "", value = ""]) => !AMOUNTS.includes(name) || !/^[0-9.]+$/.test(value),
  );
  if (provider === "" || isWrong) {
    throw new InvalidArgumentError(
      `It must be such as cmp-0001:VCPU:total=64,reserved=4; amounts are ${AMOUNTS.join(", ")}.`,
    );
  }
  const values = new Map(pairs.map(([name = "", value]) => [name, Number(value)]));
  const set: Readonly<Record<string, number>> = Object.fromEntries(values);
  return { set: { provider, resource_class: resourceClass, ...set } };
}
