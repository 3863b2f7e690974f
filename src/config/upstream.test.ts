/**
 * Compares with the Python that is to be replaced, where a machine has it: the same texts go through
 * oslo.config and SQLAlchemy, and through ours.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { parseConnectionUrl } from "./connection-url.ts";
import { parseIni } from "./ini.ts";
import { ALL_OPTIONS, camelCase, optionLabel } from "./options.ts";

const PYTHON = "/usr/bin/python3";

function hasPythonModules(...modules: string[]): boolean {
  return spawnSync(PYTHON, ["-c", `import ${modules.join(", ")}`]).status === 0;
}

/** Runs a script that finds `data` parsed in `data` and prints its answer as JSON. */
function runPython(script: string, data: unknown): unknown {
  const prelude = "import json, sys\ndata = json.load(sys.stdin)\n";
  const output = execFileSync(PYTHON, ["-c", prelude + script], {
    input: JSON.stringify(data),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    stdio: ["pipe", "pipe", "pipe"],
  });
  return JSON.parse(output);
}

/** Samples differ from run to run. Failures are shown with the seed; `SEED=…` repeats it. */
const SEED = Number(process.env["SEED"] ?? Math.trunc(Math.random() * 2 ** 31));

function sample<Value>(arbitrary: fc.Arbitrary<Value>, numRuns: number): Value[] {
  return fc.sample(arbitrary, { seed: SEED, numRuns });
}

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "stowage-upstream-"));
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

function writeFiles(texts: readonly string[]): string[] {
  return texts.map((text, index) => {
    const file = join(directory, `${index}.conf`);
    writeFileSync(file, text);
    return file;
  });
}

/** The result, or the word "error" where the configuration is refused. */
function orError<Result>(work: () => Result): Result | "error" {
  try {
    return work();
  } catch (error) {
    if (error instanceof ConfigError) return "error";
    throw error;
  }
}

const WHITE_SPACE = [" ", "\t", "\n", "\r", "\r\n", "\v", "\f", "\u001c", "\u0085", "\u00a0"];

const hasOslo = hasPythonModules("oslo_config.cfg");

describe.skipIf(!hasOslo)(`oslo.config (needs it in ${PYTHON}; seed ${SEED})`, () => {
  test("reads the same assignments from any text, or refuses it like us", () => {
    const piece = fc.oneof(
      fc.constantFrom(...WHITE_SPACE, "\n", "\n", "\n "),
      fc.constantFrom("[", "]", "[a]", "[B]\n", "=", ":", "#", ";", '"', "'", "\\", "%", "\ufeff"),
      fc.constantFrom("key = value\n", "key", "key = \n  more\n", "  # not a comment\n", '"q" '),
      fc.string({ unit: "grapheme", maxLength: 4 }),
    );
    const texts = sample(
      fc.array(piece, { maxLength: 40 }).map((pieces) => `[s]\n${pieces.join("")}`),
      1000,
    );
    const theirs = runPython(READ_ASSIGNMENTS, writeFiles(texts));
    const ours = texts.map((text) =>
      orError(() => parseIni(text, "f").map(({ section, key, value }) => [section, key, value])),
    );
    for (const [index, text] of texts.entries()) {
      expect({ text, read: ours[index] }).toEqual({
        text,
        read: (theirs as unknown[])[index],
      });
    }
  });

  test("gives every option the same value, from any file and environment, or refuses it like us", () => {
    const cases = sample(fc.record({ text: configText, environment }), 200);
    const files = writeFiles(cases.map(({ text }) => text));
    const theirs = runPython(READ_OPTIONS, {
      options: COMPARED_OPTIONS,
      cases: cases.map((one, index) => ({ file: files[index], environment: one.environment })),
    });
    for (const [index, { text, environment: variables }] of cases.entries()) {
      const ours = orError(() => {
        const { config } = loadConfig({
          configFiles: [files[index] ?? ""],
          environment: { HOME: directory, ...variables },
          systemDirectory: directory,
        });
        const groups: Record<string, Record<string, unknown>> = config;
        return Object.fromEntries(
          COMPARED_OPTIONS.map((option) => [
            optionLabel(option),
            groups[camelCase(option.group)]?.[camelCase(option.name)] ?? null,
          ]),
        );
      });
      expect({ text, variables, values: ours }).toEqual({
        text,
        variables,
        values: (theirs as unknown[])[index],
      });
    }
  });
});

const READ_ASSIGNMENTS = `
from oslo_config import iniparser

class Parser(iniparser.BaseParser):
    def __init__(self):
        self.section = None
        self.found = []
    def new_section(self, section):
        self.section = section
    def assignment(self, key, value):
        self.found.append([self.section, key, "\\n".join(value)])

def read(name):
    parser = Parser()
    try:
        with open(name, encoding="utf-8") as file:
            parser.parse(file.readlines())
        return parser.found
    except iniparser.ParseError:
        return "error"

print(json.dumps([read(name) for name in data]))
`;

/**
 * Registers our own table. A choice in another case is levelled here: it comes out as the table
 * spells it. Two more differences are wanted and kept out of the sample: an empty number takes the
 * default, and a variable for an option whose key may be repeated is one value, where oslo.config
 * takes it apart into letters.
 */
const READ_OPTIONS = `
import logging, os
from oslo_config import cfg, types
logging.disable(logging.CRITICAL)

def make(option):
    name, facts = option["name"], option["definition"]
    common = {"default": facts.get("default"), "deprecated_opts": [
        cfg.DeprecatedOpt(old.get("name") or name, group=old.get("group") or option["group"])
        for old in facts.get("deprecatedNames", [])]}
    kind = facts["type"]
    if kind == "boolean":
        return cfg.BoolOpt(name, **common)
    if kind in ("integer", "float"):
        limits = {"min": facts.get("min"), "max": facts.get("max")}
        return (cfg.IntOpt if kind == "integer" else cfg.FloatOpt)(name, **limits, **common)
    if kind == "list":
        return cfg.ListOpt(name, **common)
    if kind == "multi":
        return cfg.MultiStrOpt(name, **common)
    return cfg.StrOpt(name, choices=facts.get("choices"),
                      ignore_case=facts.get("ignoreCase", False), **common)

def level(facts, value):
    if facts.get("ignoreCase"):
        return next(choice for choice in facts["choices"] if choice.lower() == value.lower())
    return value

def read(case):
    conf = cfg.ConfigOpts()
    for option in data["options"]:
        group = option["group"]
        conf.register_opt(make(option), group=None if group == "DEFAULT" else group)
    os.environ.update(case["environment"])
    try:
        conf(["--config-file", case["file"]], project="x", default_config_dirs=[])
        values = {}
        for option in data["options"]:
            group, name, facts = option["group"], option["name"], option["definition"]
            value = conf[name] if group == "DEFAULT" else conf[group][name]
            values["[%s] %s" % (group, name)] = level(facts, value)
        if values["[placement_database] connection"] is None:
            return "error"
        return values
    except (cfg.Error, ValueError, RecursionError):
        return "error"
    finally:
        for variable in case["environment"]:
            del os.environ[variable]

print(json.dumps([read(case) for case in data["cases"]]))
`;

/** Without the two that make oslo.config and keystoneauth look in other places. */
const COMPARED_OPTIONS = ALL_OPTIONS.filter(
  ({ name }) => name !== "auth_section" && name !== "config_source",
);

/** Lines that set options of every type, mostly to something that is allowed. */
const TYPICAL_VALUES: Record<string, readonly string[]> = {
  boolean: ["true", "FALSE", "On", "0", "yes", "no", "", "maybe", "$debug"],
  integer: ["1", " 10", "+5", "-1", "1_000", "0x1", "1.5", "70000", "$max_retries"],
  float: ["1.5", "60", ".5", "1e3", "-1", "x"],
  string: [
    "",
    "a",
    "a b",
    "a,b",
    '" a "',
    "a\n  b",
    "# x",
    "a$$b",
    "\\$x",
    "$ ${",
    "$nope",
    "100%",
  ],
  list: ["", "a", "a, b,,c,", ",", "a,\n\tb", '"a,b"', "$host,$port", "$$,b"],
  multi: ["", "a", "b,c", " ${host} ", "a\n  b"],
};

const assignment = fc.constantFrom(...COMPARED_OPTIONS).chain((option) => {
  const { definition } = option;
  const choices = "choices" in definition ? definition.choices : undefined;
  const references = ["$stowage.port", "${api.auth_strategy}", "$log_file", "${host}"];
  const typical = choices ?? TYPICAL_VALUES[definition.type] ?? [];
  const value =
    definition.type === "string" && choices === undefined
      ? fc.constantFrom(...typical, ...references)
      : fc.constantFrom(...typical);
  const places = [{}, {}, {}, ...(definition.deprecatedNames ?? [])];
  return fc.record({
    place: fc.constantFrom(...places.map((place) => ({ ...option, ...place }))),
    value,
  });
});

const groupSpelling = (group: string) =>
  fc.constantFrom(group, group === "DEFAULT" ? group : group.toUpperCase());

const configText = fc
  .array(
    assignment.chain(({ place, value }) =>
      groupSpelling(place.group).map((group) => `[${group}]\n${place.name} = ${value}\n`),
    ),
    { maxLength: 5 },
  )
  .map((lines) => ["[placement_database]\nconnection = sqlite://\n", ...lines].join(""));

const environment = fc
  .array(
    assignment.filter(({ place }) => place.definition.type !== "multi"),
    { maxLength: 2 },
  )
  .map((assignments) =>
    Object.fromEntries(
      assignments.map(({ place, value }) => [
        `OS_${place.group}__${place.name}`.toUpperCase(),
        value,
      ]),
    ),
  );

const hasSqlAlchemy = hasPythonModules("sqlalchemy");

describe.skipIf(!hasSqlAlchemy)(`SQLAlchemy (needs it in ${PYTHON}; seed ${SEED})`, () => {
  test("takes the same URLs apart in the same way", () => {
    const word = fc.constantFrom("u", "p", "a%40b", "%zz", "a+b", "a b", "é", "10.0.0.1", "1", "");
    const piece = fc.oneof(word, fc.constantFrom(":", "@", "/", "?", "#", "[", "]", "&", "="));
    const wild = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
    const tidy = fc
      .tuple(word, word, fc.constantFrom("h", "[::1]", "[::1]:99", "h:5433", ""), word)
      .map(([user, password, host, database]) => `${user}:${password}@${host}/${database}`);
    const urls = sample(fc.oneof(tidy, wild), 1000).map((rest) => `mysql://${rest}`);
    const theirs = runPython(SPLIT_URLS, urls) as (UrlOfSqlAlchemy | "error")[];
    for (const [index, url] of urls.entries()) {
      const ours = orError(() => parseConnectionUrl(url));
      // We refuse more: a missing database, an unknown parameter, an @ in the host.
      if (ours === "error" || ours.engine !== "mysql") continue;
      const { user, password, host, port, database } = ours;
      expect({ url, user, password, host, port, database }).toEqual({
        url,
        ...withOurDefaults(theirs[index]),
      });
    }
  });
});

interface UrlOfSqlAlchemy {
  readonly user: string | null;
  readonly password: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly database: string | null;
}

function withOurDefaults(url: UrlOfSqlAlchemy | "error" | undefined): object {
  if (url === undefined || url === "error") return { url };
  return {
    user: url.user || undefined,
    password: url.password || undefined,
    host: url.host ?? "localhost",
    port: url.port ?? 3306,
    database: url.database || undefined,
  };
}

const SPLIT_URLS = `
from sqlalchemy.engine.url import make_url

def split(text):
    try:
        url = make_url(text)
    except Exception:
        return "error"
    return {"user": url.username, "password": url.password and str(url.password),
            "host": url.host, "port": url.port, "database": url.database}

print(json.dumps([split(text) for text in data]))
`;

const hasUpstream = hasPythonModules("placement.conf", "keystonemiddleware.auth_token");

describe.skipIf(!hasUpstream)(`Placement (needs it in ${PYTHON})`, () => {
  test("has no option that is missing here, and the same types, choices and defaults", () => {
    const theirs = runPython(LIST_OPTIONS, null) as Record<string, unknown>;
    const ours = Object.fromEntries(
      ALL_OPTIONS.map((option) => {
        const { definition } = option;
        const facts = {
          type: definition.type,
          default: definition.default ?? null,
          choices: "choices" in definition ? definition.choices : null,
        };
        return [optionLabel(option), facts];
      }),
    );
    for (const [label, facts] of Object.entries(theirs)) {
      if (DIFFERENT_ON_PURPOSE.has(label)) continue;
      expect({ label, facts: ours[label] }).toEqual({ label, facts });
    }
  });
});

const DIFFERENT_ON_PURPOSE: ReadonlySet<string> = new Set([
  // Where the Python modules are.
  "[DEFAULT] pybasedir",
  // Upstream's default is not spelt like any of its choices.
  "[DEFAULT] log_rotate_interval_type",
  // An option of the command line.
  "[DEFAULT] shell_completion",
  // A deprecated name of www_authenticate_uri, no longer an option of its own.
  "[keystone_authtoken] auth_uri",
  // Here as in the newest release; distributions still have ones with other defaults or no choices.
  "[DEFAULT] default_log_levels",
  "[DEFAULT] rate_limit_except_level",
  "[keystone_authtoken] service_token_roles_required",
  "[oslo_policy] enforce_new_defaults",
  "[oslo_policy] enforce_scope",
  "[oslo_policy] policy_file",
]);

const LIST_OPTIONS = `
from oslo_config import cfg, types
from placement import conf as placement_conf
from placement import wsgi
from keystonemiddleware.auth_token import _opts
from keystoneauth1 import loading

conf = cfg.ConfigOpts()
placement_conf.register_opts(conf)
wsgi._set_middleware_defaults()
conf.register_opts(_opts._OPTS, group="keystone_authtoken")
for plugin in ("password", "v3password", "v3applicationcredential"):
    for opt in loading.get_auth_plugin_conf_options(plugin):
        try:
            conf.register_opt(opt, group="keystone_authtoken")
        except cfg.DuplicateOptError:
            pass  # differs from that of the plugin before in its help only

KINDS = [(types.Boolean, "boolean"), (types.Integer, "integer"), (types.Float, "float"),
         (types.List, "list"), (types.String, "string")]
found = {}
for info, group in conf._all_opt_infos():
    opt = info["opt"]
    kind = "multi" if opt.multi else next(
        (k for t, k in KINDS if isinstance(opt.type, t)), "string")
    choices = getattr(opt.type, "choices", None)
    default = [] if kind == "list" and opt.default is None else opt.default
    found["[%s] %s" % (group.name if group else "DEFAULT", opt.dest)] = {
        "type": kind, "default": default, "choices": list(choices) if choices else None}
print(json.dumps(found))
`;
