import type { Writable } from "node:stream";
import { NO_CREDENTIALS, type Credentials } from "../../auth/credentials.ts";
import type { DefaultRule } from "../../auth/policy/default-rules.ts";
import {
  PolicyEnforcer,
  type PolicyEnforcerRequest,
  type PolicyTarget,
} from "../../auth/policy/enforcer.ts";
import { formatCheck } from "../../auth/policy/rule-language.ts";
import type { EffectiveRule } from "../../auth/policy/rule-set.ts";
import { ALL_RULES, isPolicyName, POLICIES, type PolicyName } from "../../auth/policy/rules.ts";

// The commands of `stowage policy`. What is wrong with the rules goes to `problems`, so that
// `output` can be read by a program.

const ALLOWED = 0;
const REFUSED = 1;
const USAGE_ERROR = 2;

/**
 * `policy list`: the rules in force as YAML, with where each is from.
 *
 * @throws PolicyFileError when a policy file cannot be used.
 */
export function policyList(
  loaded: PolicyEnforcerRequest,
  output: Writable,
  problems: Writable,
): number {
  const enforcer = loadPolicy(loaded, problems);
  for (const [name, rule] of enforcer.rules) {
    output.write(`${yamlRule(name, formatCheck(rule.check))}  # ${describeOrigin(rule)}\n`);
  }
  return 0;
}

/** `policy sample`: a policy file with all defaults, commented out. */
export function policySample(output: Writable): number {
  output.write(`${ALL_RULES.map(sampleRule).join("\n\n")}\n`);
  return 0;
}

/** Who asks for what, as the command line says it. */
export interface PolicyCheckOptions {
  readonly user?: string;
  readonly userDomain?: string;
  readonly project?: string;
  readonly projectDomain?: string;
  /** The domain that the token is for. */
  readonly domain?: string;
  readonly systemScope?: string;
  readonly role?: readonly string[];
  readonly serviceRole?: readonly string[];
  /** The project that is asked for, where that makes a difference; the requester's own by default. */
  readonly targetProject?: string;
}

/**
 * `policy check [rule…]`: what the credentials may do; without rules, all of them are told.
 *
 * @returns 0, or 1 when one of the rules asked for refuses, or 2 when there is no such rule.
 * @throws PolicyFileError when a policy file cannot be used.
 */
export function policyCheck(
  loaded: PolicyEnforcerRequest,
  names: readonly string[],
  options: PolicyCheckOptions,
  output: Writable,
  problems: Writable,
): number {
  const unknown = names.filter((name) => !isPolicyName(name));
  if (unknown.length > 0) {
    problems.write(`stowage: no such policy rule: ${unknown.join(", ")}\n`);
    return USAGE_ERROR;
  }
  const enforcer = loadPolicy(loaded, problems);
  const credentials = credentialsOf(options);
  let isAllAllowed = true;
  for (const name of names.length > 0 ? names.filter(isPolicyName) : POLICIES.keys()) {
    const decision = enforcer.authorize(name, targetOf(name, options), credentials);
    isAllAllowed &&= decision.isAllowed;
    output.write(
      decision.isAllowed ? `allowed  ${name}\n` : `refused  ${name}  (${decision.detail})\n`,
    );
  }
  return isAllAllowed || names.length === 0 ? ALLOWED : REFUSED;
}

function loadPolicy(loaded: PolicyEnforcerRequest, problems: Writable): PolicyEnforcer {
  return PolicyEnforcer.load(loaded, (warning) => problems.write(`stowage: warning: ${warning}\n`));
}

function describeOrigin({ origin }: EffectiveRule): string {
  return typeof origin === "string" ? origin : origin.file;
}

function sampleRule({ name, check, description, operations, scopeTypes }: DefaultRule): string {
  return [
    `# ${description}`,
    ...operations.map((operation) => `# ${operation}`),
    ...(scopeTypes === undefined ? [] : [`# Scope of the token: ${scopeTypes.join(", ")}`]),
    `#${yamlRule(name, check)}`,
  ].join("\n");
}

/** JSON's quoted texts are YAML's too. */
function yamlRule(name: string, check: string): string {
  return `${JSON.stringify(name)}: ${JSON.stringify(check)}`;
}

function credentialsOf(options: PolicyCheckOptions): Credentials {
  return {
    ...NO_CREDENTIALS,
    userId: options.user,
    userDomainId: options.userDomain,
    projectId: options.project,
    projectDomainId: options.projectDomain,
    domainId: options.domain,
    systemScope: options.systemScope,
    roles: options.role ?? [],
    serviceRoles: options.serviceRole ?? [],
  };
}

/** `undefined` is the requester's own project and user. */
function targetOf(
  name: PolicyName,
  { project, targetProject = project }: PolicyCheckOptions,
): PolicyTarget | undefined {
  const isForQueried = POLICIES.get(name)?.target === "queried project";
  return isForQueried ? { projectId: targetProject } : undefined;
}
