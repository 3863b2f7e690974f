import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultConfig, type ConfigOverrides } from "../../config/config.ts";
import { NO_CREDENTIALS, type Credentials } from "../credentials.ts";
import { PolicyEnforcer } from "./enforcer.ts";
import { PolicyFileError } from "./policy-file-error.ts";
import { POLICIES, type PolicyName } from "./rules.ts";

const LIST: PolicyName = "placement:resource_providers:list";
const RESHAPE: PolicyName = "placement:reshaper:reshape";
const USAGES: PolicyName = "placement:usages";

const ADMIN = who("admin", "member", "reader");
const SERVICE = who("service");
const READER = who("reader");
const NOBODY = who();

/** Somebody of the project p with these roles. */
function who(...roles: string[]): Credentials {
  return { ...NO_CREDENTIALS, userId: "u", projectId: "p", roles };
}

let folder: string;
let warnings: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "stowage-policy-"));
  warnings = [];
});

afterEach(() => rmSync(folder, { recursive: true }));

/** An enforcer that looks at its files each time, in the test's folder. */
function load(
  osloPolicy: ConfigOverrides["osloPolicy"] = {},
  named: readonly string[] = [],
): PolicyEnforcer {
  const config = defaultConfig({ osloPolicy });
  return PolicyEnforcer.load(
    {
      config,
      directories: [folder],
      origins: Object.fromEntries(named.map((label) => [label, "a file"])),
    },
    (warning) => warnings.push(warning),
    0,
  );
}

/** Writes a file whose time of change is later than that of the one before. */
function write(name: string, content: string): void {
  const path = join(folder, name);
  writeFileSync(path, content);
  writes++;
  utimesSync(path, writes, writes);
}
let writes = 1_000_000_000;

function isAllowed(
  enforcer: PolicyEnforcer,
  credentials: Credentials,
  name = LIST,
  target?: { readonly projectId: string | undefined },
): boolean {
  return enforcer.authorize(name, target, credentials).isAllowed;
}

/** What lets consumers of all projects go. */
const FOR_ADMINS: ReadonlySet<string> = new Set([
  "stowage:orphans",
  "stowage:releases",
  "stowage:restorations",
]);

describe("without a policy file", () => {
  test("admins and services may do everything but what is for one of them", () => {
    const enforcer = load();
    for (const name of POLICIES.keys()) {
      expect(isAllowed(enforcer, ADMIN, name)).toBe(name !== RESHAPE);
      expect(isAllowed(enforcer, SERVICE, name)).toBe(!FOR_ADMINS.has(name));
      expect(isAllowed(enforcer, NOBODY, name)).toBe(false);
    }
    expect(warnings).toEqual([]);
  });

  test("a reader may see the usages of the own project and no other", () => {
    const enforcer = load();
    expect(isAllowed(enforcer, READER, USAGES, { projectId: "p" })).toBe(true);
    expect(isAllowed(enforcer, READER, USAGES, { projectId: "q" })).toBe(false);
    expect(isAllowed(enforcer, READER, USAGES, { projectId: undefined })).toBe(false);
    expect(isAllowed(enforcer, READER)).toBe(false);
  });

  test("the old defaults count as well while new ones are not enforced", () => {
    const enforcer = load({ enforceNewDefaults: false });
    expect(isAllowed(enforcer, ADMIN, RESHAPE)).toBe(true);
    expect(isAllowed(enforcer, NOBODY, RESHAPE)).toBe(false);
    expect(isAllowed(load(), ADMIN, RESHAPE)).toBe(false);
  });

  test("a refusal has upstream's text", () => {
    expect(load().authorize(LIST, undefined, NOBODY)).toEqual({
      isAllowed: false,
      reason: "rule",
      message: "Policy does not allow placement:resource_providers:list to be performed.",
      detail: "the rule says no",
    });
  });
});

describe("the scope of a token", () => {
  const ofSystem: Credentials = { ...ADMIN, projectId: undefined, systemScope: "all" };
  const ofDomain: Credentials = { ...ADMIN, projectId: undefined, domainId: "d" };
  const ofNothing: Credentials = { ...ADMIN, projectId: undefined };

  test("is enforced even where a rule is open", () => {
    write("policy.yaml", `"${LIST}": "@"`);
    const enforcer = load();
    expect(enforcer.authorize(LIST, undefined, ofSystem)).toEqual({
      isAllowed: false,
      reason: "scope",
      message: LIST,
      detail: "needs project scope, not system",
    });
    expect(enforcer.authorize(LIST, undefined, ofDomain)).toMatchObject({ reason: "scope" });
    expect(isAllowed(enforcer, ofNothing)).toBe(true);
  });

  test("does not matter where it is not enforced", () => {
    const enforcer = load({ enforceScope: false });
    expect(isAllowed(enforcer, ofSystem)).toBe(true);
    expect(isAllowed(enforcer, ofDomain)).toBe(true);
  });
});

describe("a policy file", () => {
  test("overrides single rules, also those that others refer to", () => {
    write("policy.yaml", "admin_or_service_api: role:reader\nservice_api: '!'");
    const enforcer = load();
    expect(isAllowed(enforcer, READER)).toBe(true);
    expect(isAllowed(enforcer, ADMIN)).toBe(true);
    expect(isAllowed(enforcer, SERVICE)).toBe(false);
    expect(isAllowed(enforcer, SERVICE, RESHAPE)).toBe(false);
  });

  test("keeps the old default of a rule from being or-ed in", () => {
    write("policy.yaml", "service_api: role:service");
    expect(isAllowed(load({ enforceNewDefaults: false }), ADMIN, RESHAPE)).toBe(false);
  });

  test("overrides all successors of a rule under its deprecated name", () => {
    write("policy.yaml", '"rule:admin_api": role:auditor');
    const enforcer = load();
    expect(isAllowed(enforcer, who("auditor"), RESHAPE)).toBe(true);
    expect(isAllowed(enforcer, SERVICE, RESHAPE)).toBe(false);
  });

  test("may have a rule that answers for those that do not exist", () => {
    write("policy.yaml", `{"${LIST}": "rule:nowhere", "default": "role:reader"}`);
    expect(isAllowed(load(), READER)).toBe(true);
    expect(isAllowed(load({ policyDefaultRule: "fallback" }), READER)).toBe(false);
  });

  test("is policy.json where there is no policy.yaml", () => {
    write("policy.json", `{\n\t"${LIST}": [["role:reader"]]\n}`);
    expect(isAllowed(load(), READER)).toBe(true);
    expect(isAllowed(load({ policyFile: "rules.yaml" }), READER)).toBe(false);
    write("policy.yaml", `"${LIST}": "role:admin"`);
    expect(isAllowed(load(), READER)).toBe(false);
  });

  test("comes before the files of the policy directories, in the order of their names", () => {
    mkdirSync(join(folder, "policy.d", "subdirectory"), { recursive: true });
    write("policy.yaml", `"${LIST}": "!"\n"${RESHAPE}": role:reader`);
    write("policy.d/20.yaml", `"${LIST}": role:reader`);
    write("policy.d/10.yaml", `"${LIST}": role:nobody`);
    write("policy.d/.90.yaml", `"${LIST}": "!"`);
    const enforcer = load();
    expect(isAllowed(enforcer, READER)).toBe(true);
    expect(isAllowed(enforcer, READER, RESHAPE)).toBe(true);
  });

  test("may say a rule twice, of which the later one counts", () => {
    write("policy.yaml", `"${LIST}": "!"\n"${LIST}": role:reader`);
    expect(isAllowed(load(), READER)).toBe(true);
  });

  test.each(["", "{}", "# nothing"])("may be empty, which is warned of: %j", (content) => {
    write("policy.yaml", content);
    expect(isAllowed(load(), ADMIN)).toBe(true);
    expect(warnings).toEqual([`${join(folder, "policy.yaml")} holds no rule: it changes nothing`]);
  });

  test.each([
    ["in a folder that cannot be entered", "policy.d", "policy.d"],
    ["behind a link that leads nowhere", "policy.yaml", "/nowhere/else"],
    ["behind a link to itself", "policy.json", "policy.json"],
  ])("%s keeps the service from starting", (_, link, target) => {
    symlinkSync(target, join(folder, link));
    expect(() => load()).toThrow(PolicyFileError);
    expect(() => load()).toThrow(join(folder, link));
  });

  test.each([
    ["is larger than any that is meant", `# ${"x".repeat(300_000)}`],
    [
      "has more rules than anybody writes",
      Array.from({ length: 1001 }, (_, at) => `r${at}: "!"`).join("\n"),
    ],
    ["has more checks than anybody writes", `a: "${"@ or ".repeat(10_000)}@"`],
  ])("that %s keeps the service from starting", (_, content) => {
    write("policy.yaml", content);
    expect(() => load()).toThrow(PolicyFileError);
  });

  test("that is a pipe is not waited for", () => {
    expect(spawnSync("mkfifo", [join(folder, "policy.yaml")]).status).toBe(0);
    expect(() => load()).toThrow(`${join(folder, "policy.yaml")}: not a regular file`);
  });

  test.each([
    ["is no YAML", '"a": "b'],
    ["is no mapping", "- role:admin"],
    ["has a rule that is neither text nor a list", '"a": {"b": "role:c"}'],
    ["has a rule that a tag swallowed", '"a": !role:admin'],
    ["is JSON with a comment, which would become part of a name", '{\n// mine\n"a": "role:a"\n}'],
    ["has several documents", "a: role:a\n---\nb: role:b"],
  ])("that %s keeps the service from starting", (_, content) => {
    write("policy.yaml", content);
    expect(() => load()).toThrow(PolicyFileError);
    expect(() => load()).toThrow(join(folder, "policy.yaml"));
  });

  test("in place of a policy directory keeps the service from starting", () => {
    write("policy.d", "");
    expect(() => load()).toThrow(PolicyFileError);
  });
});

describe("a policy file that changes", () => {
  test("is read again, also when it comes or goes", () => {
    const enforcer = load();
    expect(isAllowed(enforcer, READER)).toBe(false);
    write("policy.yaml", `"${LIST}": role:reader`);
    expect(isAllowed(enforcer, READER)).toBe(true);
    write("policy.yaml", `"${LIST}": role:auditor`);
    expect(isAllowed(enforcer, READER)).toBe(false);
    mkdirSync(join(folder, "policy.d"));
    write("policy.d/a.yaml", `"${LIST}": role:reader`);
    expect(isAllowed(enforcer, READER)).toBe(true);
    rmSync(join(folder, "policy.d/a.yaml"));
    expect(isAllowed(enforcer, READER)).toBe(false);
    rmSync(join(folder, "policy.yaml"));
    expect(isAllowed(enforcer, ADMIN)).toBe(true);
    expect(warnings).toEqual([
      expect.stringMatching(/a\.yaml is gone/),
      expect.stringMatching(/policy\.yaml is gone/),
    ]);
  });

  test("and is broken leaves the last good rules in force and is complained about once", () => {
    write("policy.yaml", `"${LIST}": role:reader`);
    const enforcer = load();
    write("policy.yaml", `"${LIST}": "role:`);
    expect(isAllowed(enforcer, READER)).toBe(true);
    expect(isAllowed(enforcer, READER)).toBe(true);
    expect(warnings).toEqual([expect.stringContaining("stay in force")]);
    expect(warnings[0]).toContain(join(folder, "policy.yaml"));
    write("policy.yaml", `"${LIST}": role:auditor`);
    expect(isAllowed(enforcer, READER)).toBe(false);
  });

  test("in a way that its time and size do not tell is read again if it was of no use", () => {
    const enforcer = load();
    const path = join(folder, "policy.yaml");
    const time = new Date();
    for (const content of [`"${LIST}": "role:reader`, `"${LIST}": "role:reader"`]) {
      writeFileSync(path, content.padEnd(100));
      utimesSync(path, time, time);
      isAllowed(enforcer, READER);
    }
    expect(warnings).toEqual([expect.stringContaining("stay in force")]);
    expect(isAllowed(enforcer, READER)).toBe(true);
  });

  test("into a folder leaves the last good rules in force", () => {
    write("policy.yaml", `"${LIST}": role:reader`);
    const enforcer = load();
    rmSync(join(folder, "policy.yaml"));
    mkdirSync(join(folder, "policy.yaml"));
    expect(isAllowed(enforcer, READER)).toBe(true);
    expect(warnings).toEqual([expect.stringMatching(/policy\.yaml: .*stay in force$/)]);
  });

  test.each(["policy.yaml", "policy.d"])(
    "in a way that it cannot be seen any more leaves the last good rules in force: %s",
    (name) => {
      const file = name === "policy.d" ? "policy.d/a.yaml" : name;
      mkdirSync(join(folder, "policy.d"));
      write(file, `"${LIST}": role:auditor`);
      const enforcer = load();
      rmSync(join(folder, name), { recursive: true });
      // As a folder that may not be entered, but for the superuser as well.
      symlinkSync(name, join(folder, name));
      expect(isAllowed(enforcer, ADMIN)).toBe(false);
      expect(isAllowed(enforcer, who("auditor"))).toBe(true);
      expect(warnings).toEqual([expect.stringMatching(/ELOOP.*stay in force$/)]);
    },
  );

  test("into brackets without an end is refused, and answered", () => {
    const enforcer = load();
    write("policy.yaml", `"${LIST}": "${"(".repeat(20_000)}role:reader${")".repeat(20_000)}"`);
    expect(isAllowed(enforcer, READER)).toBe(false);
    expect(warnings).toEqual([expect.stringContaining("deeper than 100 in each other: refused")]);
  });

  test("is not looked at with every request", () => {
    const config = defaultConfig();
    const enforcer = PolicyEnforcer.load({ config, directories: [folder] }, expect.unreachable);
    write("policy.yaml", `"${LIST}": "@"`);
    expect(isAllowed(enforcer, READER)).toBe(false);
  });
});

describe("what an operator should know about the rules is said when they are read", () => {
  test.each([
    ["role:admin or whoever", '"whoever" is not a check'],
    ["role:admin or", "cannot parse"],
    ["rule:nowhere", 'rule "nowhere" does not exist'],
    [`not rule:${LIST}`, "refers to itself"],
    ["http://policy.example.org/", "asks a remote server; not supported"],
    ["not http://policy.example.org/", "asks a remote server; not supported"],
    ["user_id:%(user_id)d", "only %(name)s is understood"],
  ])("%s: %s", (rule, problem) => {
    write("policy.yaml", JSON.stringify({ [LIST]: rule }));
    expect(isAllowed(load(), READER)).toBe(false);
    expect(warnings).toEqual([expect.stringContaining(problem)]);
    expect(warnings[0]).toContain(`${join(folder, "policy.yaml")}: rule "${LIST}"`);
  });

  test.each([
    "placement:resource_provider:list",
    "placment:resource_providers:list",
    "everyone",
    "compute:create",
  ])("a name that neither Placement nor a rule asks for: %s", (name) => {
    write("policy.yaml", JSON.stringify({ [name]: "@", default: "!", [LIST]: "rule:a", a: "!" }));
    load();
    expect(warnings).toEqual([expect.stringContaining(`rule "${name}" has no effect`)]);
  });

  test.each([
    [{ policyFile: "rules.yaml" }, "[oslo_policy] policy_file", "rules.yaml"],
    [{}, "[oslo_policy] policy_file", "policy.yaml"],
    [{ policyFile: "/nowhere/rules.yaml" }, "[oslo_policy] policy_file", "/nowhere/rules.yaml"],
    [{ policyDirs: ["rules.d"] }, "[oslo_policy] policy_dirs", "rules.d"],
  ])("a file or directory that was named and is not there: %j", (options, label, name) => {
    load(options, [label]);
    expect(warnings).toEqual([expect.stringContaining(`${label}: there is no ${name}`)]);
    warnings.length = 0;
    load();
    expect(warnings).toEqual([]);
  });

  test.each(["!", "!!str", "! # never"])("a tag without a value refuses: %j", (value) => {
    write("policy.yaml", `"${LIST}": ${value}\n`);
    expect(isAllowed(load(), ADMIN)).toBe(false);
    expect(warnings).toEqual([expect.stringMatching(/a tag with nothing behind it.*: refused/)]);
  });

  test.each([
    ["@", LIST],
    ["", LIST],
    ["role:admin or @", LIST],
    ["not role:admin", LIST],
    ["rule:everyone", LIST],
    ["project_id:%(project_id)s", LIST],
    ["user_id:%(user_id)s or role:admin", LIST],
    ["@", USAGES],
    ["is_admin_project:True", LIST],
    ["is_admin_project:False", LIST],
    ["project_id:None", LIST],
  ])("%j opens %s to everyone", (rule, name) => {
    const helper = rule === "rule:everyone" ? { everyone: "@" } : {};
    write("policy.yaml", JSON.stringify({ [name]: rule, ...helper }));
    expect(load().findOpenRules()).toEqual([name]);
    expect(warnings).toEqual([expect.stringContaining(name)]);
  });

  test.each([
    ["role:reader", LIST],
    ["user_id:someone", LIST],
    ["!", LIST],
    ["@ and role:admin", LIST],
    ["project_id:%(project_id)s", USAGES],
  ])("%j does not open %s to everyone", (rule, name) => {
    write("policy.yaml", JSON.stringify({ [name]: rule }));
    expect(load().findOpenRules()).toEqual([]);
    expect(warnings).toEqual([]);
  });
});

describe("rules that refer to rules", () => {
  /** Each refers twice to the next one; the last one decides. */
  function chain(length: number, check: (next: string) => string, last: string): string {
    const names = [LIST, ...Array.from({ length }, (_, at) => `r${at}`)];
    const rules = names.map((name, at) => [name, names[at + 1] ? check(names[at + 1]!) : last]);
    return JSON.stringify(Object.fromEntries(rules));
  }

  test.each([
    ["role:reader", true],
    ["role:auditor", false],
  ])("are asked once each, however many ways lead to them: %s", (last, expected) => {
    write(
      "policy.yaml",
      chain(60, (next) => `rule:${next} or rule:${next}`, last),
    );
    expect(isAllowed(load(), READER)).toBe(expected);
    expect(warnings).toEqual([]);
  });

  test("have no answer where they lead on too deeply", () => {
    write(
      "policy.yaml",
      chain(900, (next) => `not rule:${next}`, "@"),
    );
    const decision = load().authorize(LIST, undefined, ADMIN);
    expect(decision).toMatchObject({ isAllowed: false, reason: "undecidable rule" });
  });
});
