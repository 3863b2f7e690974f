import type { Terminal } from "../terminal.ts";
import { describeChanged, describeHoldings, type Changed, type Holdings } from "./event-text.ts";
import { findProvider } from "./find-provider.ts";
import { printLines } from "./print-lines.ts";
import { CannotAsk, ServiceClient, type ServiceAddress } from "./service-client.ts";

/** Command-line options of `stowage history`. */
export interface HistoryOptions {
  readonly since?: Date;
  readonly until?: Date;
  readonly at?: Date;
  readonly limit?: number;
  readonly resourceClass?: string;
  readonly json?: true;
}

interface HistoryCommand extends HistoryOptions, ServiceAddress {
  readonly what: "consumer" | "provider";
  readonly subject: string;
}

/** Nothing happened, or nothing was held. */
const NOTHING = 3;
const DEFAULT_LIMIT = 100;
/** As much as the service tells at once. */
const PAGE = 1000;

type Amounts = Readonly<Record<string, number>>;

interface Entry {
  readonly at: string;
  readonly kind: string;
  readonly request_id: string;
  readonly by: { readonly user_id: string | null };
  readonly cause?: string;
  readonly consumer?: string;
  readonly project_id?: string | null;
  /** Of a provider's history: amounts of that provider alone. */
  readonly was?: Holdings | Amounts | null;
  readonly now?: Holdings | Amounts | null;
  readonly used?: Amounts;
  readonly changed?: Changed | null;
}

interface Page {
  readonly history: readonly Entry[];
  readonly next: string | null;
  readonly kept_since: string | null;
}

interface HeldPage {
  readonly held: Readonly<Record<string, Amounts>>;
  readonly is_exact: boolean;
  readonly next: string | null;
}

/**
 * Prints what happened to a consumer or provider, the newest last, or what was held at some time.
 *
 * @throws CannotAsk, which ends the command with 1
 * @returns 0, or 3 where there is nothing to tell
 */
export async function tellHistory(command: HistoryCommand, terminal: Terminal): Promise<number> {
  const { what, subject, at, since, until, resourceClass } = command;
  const service = new ServiceClient(command);
  const uuid = what === "provider" ? await findProvider(service, subject) : subject;
  const path = `/stowage/v1/${what}s/${encodeURIComponent(uuid)}/history`;
  if (at) {
    const other = Object.entries({ since, until, "resource-class": resourceClass }).find(
      ([, value]) => value !== undefined,
    );
    if (other) throw new CannotAsk(`--${other[0]} does not go with --at`);
    return tellHeld(service, path, command, terminal);
  }
  return tellEntries(service, path, command, terminal);
}

async function tellEntries(
  service: ServiceClient,
  path: string,
  { since, until, resourceClass, limit = DEFAULT_LIMIT, json }: HistoryCommand,
  { output, problems }: Terminal,
): Promise<number> {
  const entries: Entry[] = [];
  let keptSince: string | null = null;
  let after: string | undefined;
  do {
    const text = await service.ask("GET", path, {
      query: {
        since: since?.toISOString(),
        until: until?.toISOString(),
        resource_class: resourceClass,
        limit: String(Math.min(limit - entries.length, PAGE)),
        after,
      },
    });
    if (json) output.write(`${text}\n`);
    const page = service.parse<Page>(text, ({ history }) => Array.isArray(history));
    entries.push(...page.history);
    keptSince = page.kept_since;
    after = page.next ?? undefined;
  } while (after !== undefined && entries.length < limit);
  if (!json) output.write(printLines(entries.toReversed().map(describe)));
  if (entries.length > 0) return 0;
  problems.write(printLines([`stowage: nothing is known to have happened since ${keptSince}`]));
  return NOTHING;
}

async function tellHeld(
  service: ServiceClient,
  path: string,
  { at, json }: HistoryCommand,
  { output, problems }: Terminal,
): Promise<number> {
  const held: [uuid: string, amounts: Amounts][] = [];
  let isExact = true;
  let after: string | undefined;
  do {
    const query = { at: at?.toISOString(), limit: String(PAGE), after };
    const text = await service.ask("GET", path, { query });
    if (json) output.write(`${text}\n`);
    const page = service.parse<HeldPage>(text, (answer) => typeof answer.held === "object");
    held.push(...Object.entries(page.held));
    isExact = page.is_exact;
    after = page.next ?? undefined;
  } while (after !== undefined);
  if (!json) {
    output.write(printLines(held.map(([uuid, amounts]) => `${uuid}  ${amountsText(amounts)}`)));
  }
  if (!isExact) {
    problems.write("stowage: not all that was changed since then is known: others did so\n");
  }
  return held.length > 0 ? 0 : NOTHING;
}

function describe(entry: Entry): string {
  const { at, by, cause, request_id: id } = entry;
  const request = cause === undefined ? id : `${cause} in ${id}`;
  return `${at}  ${whatOf(entry)}  by ${by.user_id ?? "-"}: ${request}`;
}

function whatOf({ kind, consumer, project_id: project, was, now, used, changed }: Entry): string {
  if (consumer !== undefined) {
    const inUse = used === undefined ? "" : ` (${amountsText(used)} in use)`;
    return `${consumer} of ${project ?? "-"}: ${amountsText(was)} -> ${amountsText(now)}${inUse}`;
  }
  if (kind.startsWith("provider")) {
    const what = changed ? describeChanged(changed).join(", ") : "another program changed it";
    return [kind, what].filter((text) => text !== "").join(": ");
  }
  if (was === null || now === null) return `${kind}: what it held is not told`;
  if (!was || !now) return `${kind}: holds what it held`;
  return `${describeHoldings(was as Holdings)} -> ${describeHoldings(now as Holdings)}`;
}

function amountsText(amounts: object | null | undefined): string {
  const texts = Object.entries(amounts ?? {}).map(([name, amount]) => `${name}:${amount}`);
  return texts.length > 0 ? texts.join(",") : "nothing";
}
