/**
 * Compares with oslo.policy itself, where a machine has it: the same files, credentials and targets,
 * and Placement's own table of rules.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defaultConfig } from "../../config/config.ts";
import { NO_CREDENTIALS, type Credentials } from "../credentials.ts";
import { DEFAULT_RULES } from "./default-rules.ts";
import { PolicyEnforcer, type PolicyDecision, type PolicyTarget } from "./enforcer.ts";
import type { RuleSource } from "./rule-language.ts";
import { ALL_RULES, POLICIES, type PolicyName } from "./rules.ts";

const PYTHON = "/usr/bin/python3";
const hasOsloPolicy =
  spawnSync(PYTHON, ["-c", "import oslo_policy.policy, oslo_context.context"]).status === 0;

/** A sample that differs from run to run; the seed is in the name that failures are shown under. */
const SEED = Math.trunc(Math.random() * 2 ** 31);

type Rules = Record<string, RuleSource | null>;

/** What an operator has configured, and who asks for what under it. */
interface Case {
  readonly file: Rules;
  /** A file of a policy directory. */
  readonly overlay: Rules;
  readonly enforceScope: boolean;
  readonly enforceNewDefaults: boolean;
  readonly questions: readonly Question[];
}

interface Question {
  readonly name: PolicyName;
  readonly credentials: Credentials;
  readonly target: PolicyTarget;
}

/** `null` where this release of oslo.policy cannot be asked; `"error"` where it has no answer. */
type Answer = boolean | "error" | null;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "stowage-policy-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

describe.skipIf(!hasOsloPolicy)(`oslo.policy (needs it in ${PYTHON}; seed ${SEED})`, () => {
  test("decides as we do on rules of all kinds", { timeout: 120_000 }, () => {
    expectSameDecisions(fc.sample(anyCase(anyRules()), { seed: SEED, numRuns: 300 }));
  });

  test("decides as we do on Placement's own rules", { timeout: 120_000 }, () => {
    expectSameDecisions(fc.sample(anyCase(fc.constant({})), { seed: SEED, numRuns: 100 }));
  });
});

/** What oslo.policy has no answer to must be refused; on everything else both must agree. */
function expectSameDecisions(cases: readonly Case[]): void {
  const files = cases.map(writeFiles);
  const theirs = askOsloPolicy(cases, files);
  for (const [index, { questions, ...settings }] of cases.entries()) {
    const enforcer = loadEnforcer(settings, files[index]!);
    for (const [position, question] of questions.entries()) {
      const answer = theirs[index]![position]!;
      if (answer === null) continue;
      const decision = enforcer.authorize(question.name, question.target, question.credentials);
      const facts = JSON.stringify({ ...settings, question, decision }, null, 2);
      expect(decision.isAllowed, facts).toBe(answer === true);
      expect(isWithoutAnswer(decision), facts).toBe(answer === "error");
    }
  }
}

function isWithoutAnswer(decision: PolicyDecision): boolean {
  return !decision.isAllowed && decision.reason === "undecidable rule";
}

interface Files {
  readonly policyFile: string;
  readonly policyDirectory: string;
}

function writeFiles({ file, overlay }: Case): Files {
  const directory = mkdtempSync(join(folder, "case-"));
  const files = {
    policyFile: join(directory, "policy.yaml"),
    policyDirectory: join(directory, "policy.d"),
  };
  writeFileSync(files.policyFile, JSON.stringify(file));
  mkdirSync(files.policyDirectory);
  writeFileSync(join(files.policyDirectory, "overlay.yaml"), JSON.stringify(overlay));
  return files;
}

function loadEnforcer(
  { enforceScope, enforceNewDefaults }: Omit<Case, "questions">,
  { policyFile, policyDirectory }: Files,
): PolicyEnforcer {
  const osloPolicy = {
    policyFile,
    policyDirs: [policyDirectory],
    enforceScope,
    enforceNewDefaults,
  };
  return PolicyEnforcer.load({ config: defaultConfig({ osloPolicy }), directories: [] }, () => {});
}

function askOsloPolicy(cases: readonly Case[], files: readonly Files[]): Answer[][] {
  const data = {
    defaults: ALL_RULES.map(({ name, check, scopeTypes, deprecatedRule }) => ({
      name,
      check,
      scope_types: scopeTypes ?? null,
      deprecated_rule: deprecatedRule ?? null,
    })),
    cases: cases.map(({ enforceScope, enforceNewDefaults, questions }, index) => ({
      policy_file: files[index]!.policyFile,
      policy_dirs: [files[index]!.policyDirectory],
      enforce_scope: enforceScope,
      enforce_new_defaults: enforceNewDefaults,
      questions: questions.map(({ name, credentials, target }) => ({
        name,
        context: contextOf(credentials),
        target: targetOf(target),
      })),
    })),
  };
  const output = execFileSync(PYTHON, ["-c", ASK], {
    input: JSON.stringify(data),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  return JSON.parse(output) as Answer[][];
}

/** The arguments of oslo.context's `RequestContext`. */
function contextOf(credentials: Credentials) {
  return {
    user_id: credentials.userId,
    user_domain_id: credentials.userDomainId,
    project_id: credentials.projectId,
    project_domain_id: credentials.projectDomainId,
    domain_id: credentials.domainId,
    system_scope: credentials.systemScope,
    roles: credentials.roles,
    is_admin_project: credentials.isAdminProject,
    service_user_id: credentials.serviceUserId,
    service_user_domain_id: credentials.serviceUserDomainId,
    service_project_id: credentials.serviceProjectId,
    service_project_domain_id: credentials.serviceProjectDomainId,
    service_roles: credentials.serviceRoles,
  };
}

function targetOf(target: PolicyTarget) {
  return {
    ...("projectId" in target && { project_id: target.projectId ?? null }),
    ...("userId" in target && { user_id: target.userId ?? null }),
  };
}

/** Newer releases of oslo.policy always enforce the scope, and have no option for it. */
const ASK = `
import json, logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
from oslo_config import cfg
from oslo_context import context
from oslo_policy import opts, policy

data = json.load(sys.stdin)

def load(case):
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    opts.set_defaults(conf)
    for name in ("policy_file", "policy_dirs", "enforce_new_defaults", "enforce_scope"):
        if name in conf.oslo_policy:
            conf.set_override(name, case[name], "oslo_policy")
        elif not case[name]:
            return None
    enforcer = policy.Enforcer(conf)
    for rule in data["defaults"]:
        deprecated = rule["deprecated_rule"] and policy.DeprecatedRule(
            rule["deprecated_rule"]["name"], rule["deprecated_rule"]["check"],
            deprecated_reason="a reason", deprecated_since="a release")
        enforcer.register_default(policy.RuleDefault(
            rule["name"], rule["check"], scope_types=rule["scope_types"],
            deprecated_rule=deprecated))
    enforcer.load_rules()
    return enforcer

def ask(enforcer, question):
    try:
        requester = context.RequestContext(overwrite=False, **question["context"])
        return bool(enforcer.authorize(question["name"], question["target"], requester))
    except Exception:
        return "error"

def answers(case):
    enforcer = load(case)
    return [enforcer and ask(enforcer, question) for question in case["questions"]]

json.dump([answers(case) for case in data["cases"]], sys.stdout)
`;

function anyCase(rules: fc.Arbitrary<Rules>): fc.Arbitrary<Case> {
  return fc.record({
    file: rules,
    overlay: fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, rules),
    enforceScope: fc.boolean(),
    enforceNewDefaults: fc.boolean(),
    questions: fc.array(anyQuestion(), { minLength: 8, maxLength: 8 }),
  });
}

function anyQuestion(): fc.Arbitrary<Question> {
  const maybe = <Value>(...values: Value[]) => fc.constantFrom(undefined, ...values);
  const roles = fc.subarray(["admin", "Reader", "member", "service", "auditor", "p"]);
  const credentials: fc.Arbitrary<Credentials> = fc.record({
    userId: maybe("u", "v"),
    userDomainId: maybe("default"),
    projectId: maybe("p", "q"),
    projectDomainId: maybe("default"),
    domainId: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, maybe("default", "")),
    systemScope: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, maybe("all", "")),
    roles,
    isAdminProject: fc.boolean(),
    serviceUserId: maybe("u"),
    serviceUserDomainId: fc.constant(NO_CREDENTIALS.serviceUserDomainId),
    serviceProjectId: maybe("p"),
    serviceProjectDomainId: fc.constant(NO_CREDENTIALS.serviceProjectDomainId),
    serviceRoles: roles,
  });
  const target = fc.record(
    { projectId: maybe("p", "q", "100%"), userId: maybe("u", "v") },
    { requiredKeys: [] },
  );
  const name = fc.oneof(fc.constantFrom(...OVERRIDDEN), fc.constantFrom(...POLICIES.keys()));
  return fc.record({ name, credentials, target });
}

/** Few names, so that rules meet: overridden, referred to, asked for. */
const OVERRIDDEN: readonly PolicyName[] = [
  "placement:resource_providers:list",
  "placement:reshaper:reshape",
  "placement:usages",
];
const BASE_NAMES = DEFAULT_RULES.filter(({ operations }) => operations.length === 0).map(
  ({ name }) => name,
);
const OWN_NAMES = ["mine", "yours", "default"];
const NAMES = [...OVERRIDDEN, ...BASE_NAMES, ...OWN_NAMES];

function anyRules(): fc.Arbitrary<Rules> {
  // Older releases compare the deprecated rule by identity: never give it its own default.
  const deprecated = fc.constantFrom("role:auditor", "rule:service_api", "@", "not role:admin");
  return fc
    .tuple(
      fc.dictionary(fc.constantFrom(...NAMES), anyRule(), { maxKeys: 5 }),
      fc.option(deprecated, { freq: 5 }),
    )
    .map(([rules, override]) =>
      override === null ? { ...rules } : { ...rules, "rule:admin_api": override },
    );
}

const LEAVES = `
  @ ! word : :x rule: rule:nowhere rule:%(project_id)s
  role:admin role:reader role:SERVICE role:%(project_id)s role:%(no)s roles:admin roles:reader
  project_id:%(project_id)s user_id:%(user_id)s user_id:u user_id: project_id:%(user_id)s%(project_id)s
  domain_id:None user_domain_id:default system_scope:all system:all is_admin:True
  is_admin_project:True is_admin_project:%(project_id)s
  service_roles:service service_user_id:%(user_id)s user_id.name:u no.such:x a-b:c _:d
  'p':%(project_id)s "q":%(project_id)s True:True None:%(user_id)s 7:7 -0:0
  '100%':%(project_id)s 'a%b':a%%b 1.x:y user_id:5% %(project_id)s:p`
  .trim()
  .split(/\s+/)
  .concat(NAMES.map((name) => `rule:${name}`));
const NOISE = ["and", "or", "not", "AND", "Or", "(", ")", "((", "))", "'quoted'", '"a":"b"'];

function anyRule(): fc.Arbitrary<RuleSource | null> {
  const leaf = fc.constantFrom(...LEAVES);
  const { expression } = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc.oneof(
      { depthSize: "small" },
      leaf,
      tie("expression").map((inner) => `not ${inner}`),
      tie("expression").map((inner) => `(${inner})`),
      fc.tuple(tie("expression"), tie("expression")).map((parts) => parts.join(" and ")),
      fc.tuple(tie("expression"), tie("expression")).map((parts) => parts.join(" or ")),
    ),
  }));
  const words = fc.array(fc.oneof(leaf, fc.constantFrom(...NOISE)), { minLength: 2, maxLength: 9 });
  const item = fc.oneof(leaf, fc.constantFrom("not role:admin", "role:admin or @", ""));
  const list = fc.array(fc.oneof(item, fc.array(item, { maxLength: 3 })), { maxLength: 3 });
  return fc.oneof(
    { weight: 6, arbitrary: expression },
    { weight: 2, arbitrary: words.map((parts) => parts.join(" ")) },
    { weight: 2, arbitrary: list },
    fc.constantFrom("", " ", null),
  );
}
