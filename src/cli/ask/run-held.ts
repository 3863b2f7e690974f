import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

import { messageOf } from "../../config/operator-error.ts";
import { CannotAsk, type ServiceClient } from "./service-client.ts";

/** The lease was lost while the command ran. */
const LOST = 4;
/** As a shell says it. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const BY_SIGNAL = 128;

/** After so long, a command that was asked to end is ended. */
const GRACE_MS = 10_000;
/** What cannot be told to the service now is tried again after so long. */
const AGAIN_MS = 1000;
/** How often what is held is given back at most: then its lease sees to it. */
const MAX_RELEASES = 5;

/** What a terminal sends to every process of it, so that the command has it already. */
const OF_TERMINAL: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT"];
const PASSED_ON: readonly NodeJS.Signals[] = [...OF_TERMINAL, "SIGTERM", "SIGHUP"];

interface HeldCommand {
  readonly service: ServiceClient;
  /** The consumer that holds what the command is to use. */
  readonly consumer: string;
  readonly leaseSeconds: number;
  /** The command with its arguments. */
  readonly words: readonly string[];
  /** What it is told besides what this process was. */
  readonly environment: NodeJS.ProcessEnv;
  readonly warn: (text: string) => void;
}

/**
 * Runs a command while a consumer holds something under a lease: renews that for as long, passes signals on, and
 * gives back what is held unless somebody has it kept for good meanwhile.
 *
 * @returns the exit code of the command, 128 and the number of the signal that has ended it, or 4 when the lease
 *   was lost, with which the command was ended
 */
export async function runHeld(held: HeldCommand): Promise<number> {
  const ended = new AbortController();
  const [file = "", ...args] = held.words;
  // From here on a signal must not end this process before what is held is given back.
  const signals = new PassedSignals();
  try {
    const child = spawn(file, args, { stdio: "inherit", env: held.environment });
    signals.passTo(child);
    const exit = exitCodeOf(child, held).finally(() => ended.abort());
    const renewals = keepRenewing(held, ended.signal).then(async (becameOf) => {
      if (becameOf === "lost") await end(child, ended.signal);
      return becameOf;
    });
    const code = await exit;
    const becameOf = await renewals;
    if (becameOf === "held") await giveBack(held);
    return becameOf === "lost" ? LOST : code;
  } finally {
    signals.stop();
  }
}

async function exitCodeOf(child: ChildProcess, { words, warn }: HeldCommand): Promise<number> {
  try {
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(
      (resolve, reject) => {
        child.on("error", reject).on("exit", (exitCode, by) => resolve([exitCode, by]));
      },
    );
    return signal === null ? (code ?? 1) : BY_SIGNAL + constants.signals[signal];
  } catch (error) {
    warn(`${words[0]} cannot be run: ${messageOf(error)}`);
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE;
  }
}

/**
 * Renews the lease thrice in its time until the command has ended. That the service is away is borne: no lease
 * ends meanwhile.
 */
async function keepRenewing(
  { service, consumer, leaseSeconds, warn }: HeldCommand,
  ended: AbortSignal,
): Promise<"held" | "lost" | "kept for good"> {
  let pauseMs = (leaseSeconds * 1000) / 3;
  let isAway = false;
  for (;;) {
    await sleep(pauseMs, undefined, { signal: ended }).catch(() => {});
    if (ended.aborted) return "held";
    try {
      const { status } = await service.open("PUT", `/stowage/v1/consumers/${consumer}/lease`, {
        body: { seconds: leaseSeconds },
        mayBe: [404, 410],
        signal: AbortSignal.any([ended, AbortSignal.timeout(AGAIN_MS * 10)]),
      });
      if (status === 404 && (await isThere(service, consumer))) {
        warn(`${consumer} keeps what it holds for good: it is not released after the command`);
        return "kept for good";
      }
      if (status !== 200) {
        warn(`The lease of ${consumer} was lost: the command is ended`);
        return "lost";
      }
      pauseMs = (leaseSeconds * 1000) / 3;
      isAway = false;
    } catch (error) {
      if (ended.aborted) return "held";
      if (!isAway) warn(`The lease cannot be renewed: ${messageOf(error)}; it is tried again`);
      isAway = true;
      pauseMs = AGAIN_MS;
    }
  }
}

async function isThere(service: ServiceClient, consumer: string): Promise<boolean> {
  const path = `/stowage/v1/consumers/${consumer}`;
  const { status } = await service.open("GET", path, { mayBe: [404] });
  return status === 200;
}

/** Asks a command to end, and ends it. */
async function end(child: ChildProcess, ended: AbortSignal): Promise<void> {
  child.kill("SIGTERM");
  await sleep(GRACE_MS, undefined, { signal: ended }).catch(() => {});
  if (!ended.aborted) child.kill("SIGKILL");
}

async function giveBack({ service, consumer, warn }: HeldCommand): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await service.open("DELETE", `/allocations/${consumer}`, { mayBe: [404] });
      return;
    } catch (error) {
      const isPassing = error instanceof CannotAsk && error.isPassing;
      if (!isPassing || attempt === MAX_RELEASES) {
        warn(`${consumer} could not be released, its lease sees to it: ${messageOf(error)}`);
        return;
      }
      await sleep(AGAIN_MS);
    }
  }
}

/** Signals that ask to end go to the command, and this process ends after it. */
class PassedSignals {
  #child: ChildProcess | undefined;
  readonly #listeners = PASSED_ON.map((signal) => {
    const listener = () => this.#pass(signal);
    process.on(signal, listener);
    return [signal, listener] as const;
  });

  passTo(child: ChildProcess): void {
    this.#child = child;
  }

  stop(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  #pass(signal: NodeJS.Signals): void {
    if (process.stdin.isTTY && OF_TERMINAL.includes(signal)) return;
    this.#child?.kill(signal);
  }
}
