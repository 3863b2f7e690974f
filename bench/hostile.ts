/**
 * What can one client do to all others? Each attack on a service of its own with a fleet: how long
 * another client waits at worst, how long the event loop is held, how much memory is added, how many
 * of the attacker's connections are held. With another checkout to compare with:
 *
 *     node bench/hostile.ts --before ../stowage-of-last-month
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { Attacker } from "./hostile/attacker.ts";
import { ATTACKS, type Attack } from "./hostile/attacks.ts";
import { makeFleet, Victim, type Damage } from "./hostile/victim.ts";

const options = new Command("hostile")
  .option("--before <folder>", "another checkout, with its node_modules, to compare with")
  .option("--hosts <number>", "the size of the fleet", "2000")
  .option("--only <text>", "attacks whose name has this text", "")
  .option("--json <file>", "writes the results there")
  .parse()
  .opts<{
    readonly before?: string;
    readonly hosts: string;
    readonly only: string;
    readonly json?: string;
  }>();

interface Result extends Damage {
  readonly attack: string;
  readonly of: "before" | "after";
  readonly answer: string;
}

await main();

async function main(): Promise<void> {
  const checkouts = {
    ...(options.before !== undefined && { before: options.before }),
    after: join(import.meta.dirname, ".."),
  };
  const results: Result[] = [];
  for (const [of, checkout] of Object.entries(checkouts)) {
    const fleet = await makeFleet(checkout, Number(options.hosts));
    for (const attack of ATTACKS.filter(({ name }) => name.includes(options.only))) {
      const prepared = await attack.prepare?.();
      const database = attack.hasMuch === true ? await fleet.withMuch() : fleet.database;
      const victim = await Victim.start(checkout, database, {
        ...attack.options,
        ...prepared?.options,
      });
      const outcome = await measure(victim, attack);
      prepared?.stop();
      results.push({ attack: attack.name, of: of as Result["of"], ...outcome });
      console.log(JSON.stringify(rowOf(results.at(-1)!)));
      await victim.stop();
    }
    await fleet.remove();
  }
  console.table(results.toSorted((a, b) => orderOf(a.attack) - orderOf(b.attack)).map(rowOf));
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify({ results }, null, 2)}\n`);
  }
}

async function measure(victim: Victim, { run, lingerMs = 0 }: Attack) {
  const attacker = new Attacker(victim.url);
  await attacker.warmUp();
  let answer = "";
  const damage = await victim.watch(async () => {
    answer = await run(attacker);
  });
  const connectionsHeld = await attacker.held(lingerMs);
  attacker.stop();
  return { answer, ...damage, connectionsHeld };
}

function orderOf(attack: string): number {
  return ATTACKS.findIndex(({ name }) => name === attack);
}

function rowOf({ attack, of, answer, ...damage }: Result) {
  return {
    attack,
    of,
    answer,
    "others wait ms": Math.round(damage.longestWaitMs),
    "loop max ms": Math.round(damage.loopMaxMs),
    "loop p99 ms": Math.round(damage.loopP99Ms),
    "loop max cpu ms": Math.round(damage.loopMaxCpuMs),
    "added MiB": Math.round(damage.addedMiB),
    "connections held": damage.connectionsHeld,
  };
}
