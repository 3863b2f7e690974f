/** As much of an event as is printed. */
export interface WatchedEvent {
  readonly type: string;
  readonly time?: string | null;
  readonly subject?: string | null;
  readonly request_id?: string;
  readonly data?: EventData | null;
}

export type Holdings = Readonly<Record<string, Readonly<Record<string, number>>>>;
type Pair = readonly [was: unknown, now: unknown];

interface EventData {
  readonly project_id?: string | null;
  readonly was?: Holdings | null;
  readonly now?: Holdings | null;
  /** Of a provider; of a class, trait or type, before and after. */
  readonly name?: string | Pair;
  readonly generation?: number | null;
  readonly usages?: Readonly<Record<string, { readonly used: number; readonly capacity: number }>>;
  readonly changed?: Changed;
}

export interface Changed {
  readonly name?: Pair;
  readonly parent?: Pair;
  readonly root?: Pair;
  readonly inventories?: Readonly<Record<string, readonly [Amounts | null, Amounts | null]>>;
  readonly traits?: AddedAndRemoved;
  readonly aggregates?: AddedAndRemoved;
}

type Amounts = Readonly<Record<string, number>>;

interface AddedAndRemoved {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** An event for people, in a line. */
export function describeEvent({ time, type, subject, data, request_id: id }: WatchedEvent): string {
  const what = data ? describeData(type, data) : "";
  return [time ?? "-", type, subject ?? "-", what, id ?? ""]
    .filter((text) => text !== "")
    .join("  ");
}

function describeData(type: string, data: EventData): string {
  if (type === "consumer" || type === "consumer_deleted") {
    return `${data.project_id ?? "-"}: ${describeHeld(data)}`;
  }
  if (Array.isArray(data.name)) return fromTo(data.name as unknown as Pair);
  const parts = [
    ...(typeof data.name === "string" ? [data.name] : []),
    ...Object.entries(data.usages ?? {}).map(
      ([name, { used, capacity }]) => `${name} ${used}/${capacity}`,
    ),
    ...describeChanged(data.changed ?? {}),
  ];
  return parts.join(", ");
}

function describeHeld({ was, now }: EventData): string {
  if (was === null || now === null) return "too much to be told";
  if (!was || !now) return "holds what it held";
  return `${describeHoldings(was)} -> ${describeHoldings(now)}`;
}

export function describeHoldings(holdings: Holdings): string {
  const texts = Object.entries(holdings).map(([provider, amounts]) => {
    const held = Object.entries(amounts).map(([name, amount]) => `${name}:${amount}`);
    return `${held.join(",")} of ${provider}`;
  });
  return texts.length > 0 ? texts.join(" and ") : "nothing";
}

export function describeChanged({ inventories, traits, aggregates, ...places }: Changed): string[] {
  return [
    ...Object.entries(places).flatMap(([name, both]) =>
      Array.isArray(both) ? [`${name} ${fromTo(both as unknown as Pair)}`] : [],
    ),
    ...Object.entries(inventories ?? {}).map(
      ([name, both]) => `${name} ${describeInventories(both)}`,
    ),
    ...describeSet("traits", traits),
    ...describeSet("aggregates", aggregates),
  ];
}

function describeInventories([was, now]: readonly [Amounts | null, Amounts | null]): string {
  if (!was) return "is new";
  if (!now) return "is gone";
  return Object.keys(now)
    .filter((name) => was[name] !== now[name])
    .map((name) => `${name} ${was[name]} -> ${now[name]}`)
    .join(" ");
}

function describeSet(name: string, set: AddedAndRemoved | undefined): string[] {
  if (!set) return [];
  const changes = [
    ...set.added.map((each) => `+${each}`),
    ...set.removed.map((each) => `-${each}`),
  ];
  return [`${name} ${changes.join(" ")}`];
}

function fromTo([was, now]: Pair): string {
  return `${textOr(was)} -> ${textOr(now)}`;
}

function textOr(value: unknown): string {
  return typeof value === "string" ? value : "none";
}
