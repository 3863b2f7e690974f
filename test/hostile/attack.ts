import { ALL_ROUTES } from "../../src/api/all-routes.ts";
import {
  HOSTILE_JSON,
  HOSTILE_KEYS,
  HOSTILE_TEXTS,
  HOSTILE_URL_PARTS,
  hostileBodies,
  Raw,
  SOME_HOSTILE_TEXTS,
} from "./hostile-values.ts";
import { placesOf, writeJson } from "./json-text.ts";
import { IS_LONG_RUN } from "./long-run.ts";
import { existingParameters, PARAMETER, pathTo } from "./specimens.ts";

/** One request that should do no harm. */
export interface Attack {
  /** What is hostile about it. */
  readonly label: string;
  readonly method: string;
  /** Encoded. */
  readonly path: string;
  readonly version?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** A method of a path, as the table of routes has it. */
export interface Target {
  readonly method: string;
  readonly template: string;
}

/** Every method of every path: what is added to the table is attacked without further ado. */
export const TARGETS: readonly Target[] = Object.entries(ALL_ROUTES).flatMap(
  ([template, methods]) => Object.keys(methods).map((method) => ({ method, template })),
);

/** The methods that may come with a body. */
export const TARGETS_WITH_BODY = TARGETS.filter(({ method }) => ["POST", "PUT"].includes(method));

/** Each parameter of the path in turn, while the others name what exists. */
export function* attackPaths(target: Target): Iterable<Attack> {
  const existing = existingParameters(target.template);
  for (const [, name = ""] of target.template.matchAll(PARAMETER)) {
    for (const part of [...HOSTILE_TEXTS.map(encodeURIComponent), ...HOSTILE_URL_PARTS]) {
      yield {
        label: `path parameter ${name}`,
        method: target.method,
        path: pathTo(target.template, { ...existing, [name]: part }),
      };
    }
  }
}

/** All that the API knows. */
const QUERY_PARAMETERS = [
  "name",
  "uuid",
  "member_of",
  "resources",
  "in_tree",
  "required",
  "limit",
  "group_policy",
  "root_required",
  "same_subtree",
  "resources1",
  "required_A",
  "member_of_A",
  "in_tree1",
  "associated",
  "project_id",
  "user_id",
  "consumer_type",
] as const;

/** What no route knows; those that write know no others. */
const NOT_PARAMETERS = ["unknown", "__proto__"] as const;

/** What a route may insist on before it looks at anything else. */
const NEEDED: Readonly<Record<string, string>> = {
  "/allocation_candidates": "resources=VCPU:1",
  "/usages": "project_id=lab",
};

/** Each query parameter in turn, then twice, then as a name instead of a value. */
export function* attackQueries(target: Target): Iterable<Attack> {
  const needed = NEEDED[target.template];
  const attack = (label: string, query: string): Attack => ({
    label: `query: ${label}`,
    method: target.method,
    path: `${pathTo(target.template)}?${query}`,
  });
  for (const name of target.method === "GET"
    ? [...QUERY_PARAMETERS, ...NOT_PARAMETERS]
    : NOT_PARAMETERS) {
    const others = needed === undefined || needed.startsWith(name) ? "" : `${needed}&`;
    for (const text of SOME_HOSTILE_TEXTS) {
      yield attack(name, `${others}${name}=${encodeURIComponent(text)}`);
    }
    yield attack(`${name} twice`, `${others}${name}=a&${name}=${encodeURIComponent("b'")}`);
    yield attack(`${name} is not UTF-8`, `${others}${name}=%ff%c0%af%ed%a0%80`);
  }
  const names = target.method === "GET" ? HOSTILE_TEXTS : SOME_HOSTILE_TEXTS;
  for (const text of names) yield attack("a name", `${encodeURIComponent(text)}=1`);
  for (const part of HOSTILE_URL_PARTS) yield attack("a part", `${part}=${part}`);
  yield attack("many parameters", "a=1&".repeat(4000));
}

/** Headers that something looks at. */
const HEADERS = [
  "x-auth-token",
  "x-service-token",
  "x-roles",
  "x-project-id",
  "openstack-api-version",
  "openstack-system-scope",
  "x-openstack-request-id",
  "accept",
  "content-type",
  "host",
  "x-forwarded-host",
  "x-forwarded-prefix",
  "origin",
  "cookie",
] as const;

const HOSTILE_HEADERS = [
  "",
  `' OR '1'='1' -- hostile7f3a`,
  "__proto__",
  "placement 1.39, placement 1.0",
  "placement 99999999999999999999.1e400",
  "application/json;q=\u00ff;q=0,*/*;q=NaN",
  "../../etc/passwd\t%0d%0aX-Injected: yes",
  ",".repeat(8000),
  "A".repeat(16_000),
];

/** Each header in turn. */
export function* attackHeaders(target: Target): Iterable<Attack> {
  for (const name of HEADERS) {
    for (const value of HOSTILE_HEADERS) {
      yield {
        label: `header ${name}`,
        method: target.method,
        path: pathTo(target.template),
        headers: { [name]: value },
      };
    }
  }
}

/** Bodies that are no document, for every method that may have one. */
export function* attackBodies(target: Target): Iterable<Attack> {
  for (const [label, body] of hostileBodies()) {
    yield { label: `body: ${label}`, method: target.method, path: pathTo(target.template), body };
  }
}

/** A document that is spoilt in one place; written when it is needed, because some are large. */
export interface SpoiltDocument {
  readonly label: string;
  readonly write: () => string;
}

/** Each place of a good document in turn: other values, other keys, keys that are missing. */
export function* spoil(document: unknown): Iterable<SpoiltDocument> {
  for (const place of placesOf(document)) {
    const { path, value } = place;
    const spoilt = (how: string, replacement: unknown): SpoiltDocument => ({
      label: `${path} ${how}`,
      write: () => writeJson(place.replace(replacement)),
    });
    for (const hostile of HOSTILE_JSON) yield spoilt(`is ${brief(hostile)}`, hostile);
    if (typeof value !== "object" || value === null || Array.isArray(value)) continue;
    for (const key of HOSTILE_KEYS) {
      yield spoilt(`has the key ${brief(key)}`, { ...value, [key]: 1 });
    }
    for (const key of Object.keys(value)) {
      const { [key]: _, ...rest } = value as Record<string, unknown>;
      yield spoilt(`lacks ${key}`, rest);
    }
  }
}

/** Deeper places are made huge in the long run only: it takes seconds to send all that. */
const MAX_BLOATED_DEPTH = IS_LONG_RUN ? Number.POSITIVE_INFINITY : 1;

/** The same with what is huge; how deep a document is, is looked at before anything else of it. */
export function* bloat(document: unknown): Iterable<SpoiltDocument> {
  for (const place of placesOf(document)) {
    if (place.depth > MAX_BLOATED_DEPTH) continue;
    const { path, value } = place;
    const huge = (how: string, make: () => unknown): SpoiltDocument => ({
      label: `${path} ${how}`,
      write: () => writeJson(place.replace(make())),
    });
    if (typeof value !== "object" || value === null) {
      yield huge("is 1 MiB long", () => "A".repeat(1024 * 1024));
    } else if (Array.isArray(value)) {
      yield huge("has 50,000 items", () => manyLike(value));
    } else {
      yield huge("has 50,000 keys", () => manyKeysLike(value));
    }
  }
}

const MANY = 50_000;

/** Items of the same kind as the first, all different where that is easy. */
function manyLike([first]: readonly unknown[]): unknown[] {
  return Array.from({ length: MANY }, (_, at) =>
    typeof first === "string" ? numbered(first, at) : first,
  );
}

/** The first member under many keys of the same form. */
function manyKeysLike(members: object): Record<string, unknown> {
  const [[key, member] = ["A", 1]] = Object.entries(members);
  return Object.fromEntries(Array.from({ length: MANY }, (_, at) => [numbered(key, at), member]));
}

/** Another text of the same form: a UUID stays one, and so does a name in capitals. */
function numbered(text: string, at: number): string {
  const digits = String(at).padStart(12, "0");
  return /^[0-9a-f-]{36}$/.test(text) ? text.slice(0, 24) + digits : `${text}_${digits}`;
}

export function brief(value: unknown): string {
  const text = value instanceof Raw ? value.text : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
