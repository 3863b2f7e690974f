import { isAbsolute } from "node:path";
import type { Config } from "../../config/config.ts";
import { NO_CREDENTIALS, policyValues, type Credentials } from "../credentials.ts";
import { evaluate, UndecidableRule } from "./evaluate.ts";
import { PolicyFileError } from "./policy-file-error.ts";
import { findPolicyFiles, readPolicyFiles } from "./policy-files.ts";
import { POLICIES, type PolicyName } from "./rules.ts";
import { ruleProblems, RuleSet, type FileRules } from "./rule-set.ts";
import type { TargetValues } from "./template.ts";

/** A loaded configuration is one. */
export interface PolicyEnforcerRequest {
  readonly config: { readonly osloPolicy: PolicyOptions };
  /** Where relative paths are looked for, the first one first. */
  readonly directories: readonly string[];
  /** By `[group] name` of the options that somebody has written: where. */
  readonly origins?: Readonly<Record<string, string>>;
}

type PolicyOptions = Pick<
  Config["osloPolicy"],
  "policyFile" | "policyDirs" | "policyDefaultRule" | "enforceScope" | "enforceNewDefaults"
>;

/**
 * What a request is about. An attribute that is left out fails every check that names it; one that
 * is `undefined` is there without a value, `None` to a rule.
 */
export interface PolicyTarget {
  readonly projectId?: string | undefined;
  readonly userId?: string | undefined;
}

export type PolicyDecision = { readonly isAllowed: true } | PolicyRefusal;

interface PolicyRefusal {
  readonly isAllowed: false;
  /** The rule said no, the token has the wrong scope, or the rule has no answer. */
  readonly reason: "rule" | "scope" | "undecidable rule";
  /** For the client, in upstream's words: the text of the 403. */
  readonly message: string;
  /** For the log. */
  readonly detail: string;
}

/** Looking at each place where a file could be is too much work to be done with each request. */
const RECHECK_AFTER_MS = 1000;

/** In nobody's project, and not the one that is asked for. */
const STRANGER: Credentials = {
  ...NO_CREDENTIALS,
  userId: "a-stranger",
  userDomainId: "a-strangers-domain",
  projectId: "a-strangers-project",
  projectDomainId: "a-strangers-domain",
};

/** Keystone mostly does not say which project is the admin project: then every one is. */
const STRANGERS: readonly Credentials[] = [
  STRANGER,
  { ...STRANGER, isAdminProject: false },
  { ...STRANGER, projectId: undefined, projectDomainId: undefined },
];
const SOMEBODY_ELSE: PolicyTarget = { projectId: "a-project-of-somebody-else" };

/**
 * Decides who may do what, by the default rules and those of the policy files, as oslo.policy's
 * `Enforcer` does. The files are read again when they have changed; while they cannot be used, the
 * last good rules stay in force.
 */
export class PolicyEnforcer {
  readonly #options: PolicyOptions;
  readonly #directories: readonly string[];
  readonly #origins: Readonly<Record<string, string>>;
  readonly #warn: (warning: string) => void;
  readonly #recheckAfterMs: number;
  #rules: RuleSet;
  #paths: readonly string[] = [];
  #fingerprint: string | undefined;
  #checkedAtMs = performance.now();
  #lastComplaint: string | undefined;

  private constructor(
    { config, directories, origins = {} }: PolicyEnforcerRequest,
    warn: (warning: string) => void,
    recheckAfterMs: number,
  ) {
    this.#options = config.osloPolicy;
    this.#directories = directories;
    this.#origins = origins;
    this.#warn = warn;
    this.#recheckAfterMs = recheckAfterMs;
    this.#rules = new RuleSet(new Map(), this.#options);
  }

  /**
   * @param warn is told what is wrong with the rules and what they open to everyone; later also that
   * a changed file cannot be used, or is gone.
   * @param recheckAfterMs how long the files are taken to be unchanged.
   * @throws PolicyFileError when a policy file cannot be used: there are no last good rules yet.
   */
  static load(
    request: PolicyEnforcerRequest,
    warn: (warning: string) => void,
    recheckAfterMs = RECHECK_AFTER_MS,
  ): PolicyEnforcer {
    const enforcer = new PolicyEnforcer(request, warn, recheckAfterMs);
    enforcer.#readChangedFiles();
    return enforcer;
  }

  /**
   * Whether the rule allows these credentials to act on this target; without one, on what belongs to
   * the requester's own project and user. The scope of the token is checked first, so that no policy
   * file opens an API to a scope that it was not made for.
   */
  authorize(
    name: PolicyName,
    target: PolicyTarget | undefined,
    credentials: Credentials,
  ): PolicyDecision {
    this.#recheck();
    const scope = tokenScope(credentials);
    const scopeTypes = POLICIES.get(name)?.scopeTypes;
    if (this.#options.enforceScope && scopeTypes?.includes(scope) === false) {
      return scopeRefusal(name, `needs ${scopeTypes.join(" or ")} scope, not ${scope}`);
    }
    return this.#decide(name, target ?? credentials, credentials);
  }

  /** The actions that the rules allow to a user without any role, in a project of no importance. */
  findOpenRules(): PolicyName[] {
    return [...POLICIES.values()]
      .filter(({ name, target }) => {
        return STRANGERS.some((stranger) => {
          const subject = target === "queried project" ? SOMEBODY_ELSE : stranger;
          return this.#decide(name, subject, stranger).isAllowed;
        });
      })
      .map(({ name }) => name);
  }

  /** The rules in force. */
  get rules(): RuleSet["rules"] {
    return this.#rules.rules;
  }

  #decide(name: PolicyName, target: PolicyTarget, credentials: Credentials): PolicyDecision {
    try {
      const isAllowed = evaluate(
        { type: "rule", name },
        {
          values: policyValues(credentials),
          target: targetValues(target),
          findRule: (rule) => this.#rules.find(rule),
        },
      );
      return isAllowed ? { isAllowed } : refusal(name, "rule", "the rule says no");
    } catch (error) {
      if (!(error instanceof UndecidableRule)) throw error;
      return refusal(name, "undecidable rule", error.message);
    }
  }

  #recheck(): void {
    const now = performance.now();
    if (now - this.#checkedAtMs < this.#recheckAfterMs) return;
    this.#checkedAtMs = now;
    try {
      this.#readChangedFiles();
    } catch (error) {
      if (!(error instanceof PolicyFileError)) throw error;
      this.#complainOnce(error);
    }
  }

  #readChangedFiles(): void {
    const { paths, missing, fingerprint } = findPolicyFiles(this.#options, this.#directories);
    if (fingerprint === this.#fingerprint) return;
    const { rules, emptyFiles } = readPolicyFiles(paths);
    // What could not be used is tried again: permissions may be mended without a trace in it.
    this.#fingerprint = fingerprint;
    for (const path of this.#paths) {
      if (!paths.includes(path)) this.#warn(`${path} is gone; its rules are not in force any more`);
    }
    this.#paths = paths;
    this.#rules = new RuleSet(rules, this.#options);
    this.#lastComplaint = undefined;
    for (const name of missing) this.#reportMissing(name);
    for (const path of emptyFiles) this.#warn(`${path} holds no rule: it changes nothing`);
    this.#report(rules);
  }

  /** The defaults need not be there; what somebody has named should be. */
  #reportMissing(name: string): void {
    const { policyFile, policyDirs } = this.#options;
    const option = policyDirs.includes(name) && name !== policyFile ? "policy_dirs" : "policy_file";
    const label = `[oslo_policy] ${option}`;
    if (!Object.hasOwn(this.#origins, label)) return;
    const where = isAbsolute(name) ? "" : ` in ${this.#directories.join(", ")}`;
    this.#warn(`${label}: there is no ${name}${where}; its rules are not in force`);
  }

  #report(fileRules: FileRules): void {
    for (const problem of ruleProblems(this.#rules, fileRules, this.#options)) this.#warn(problem);
    const open = this.findOpenRules();
    if (open.length === 0) return;
    this.#warn(`policy allows everyone, even without a role: ${open.join(", ")}`);
  }

  #complainOnce({ message }: PolicyFileError): void {
    if (message === this.#lastComplaint) return;
    this.#lastComplaint = message;
    this.#warn(`${message}; the policy rules read before stay in force`);
  }
}

/** A token without any scope counts as project-scoped: it passes on to the rules. */
function tokenScope({ systemScope, domainId }: Credentials): "system" | "domain" | "project" {
  if (systemScope) return "system";
  return domainId ? "domain" : "project";
}

function targetValues(target: PolicyTarget): TargetValues {
  const values = new Map<string, string | undefined>();
  if ("projectId" in target) values.set("project_id", target.projectId);
  if ("userId" in target) values.set("user_id", target.userId);
  return values;
}

function refusal(name: PolicyName, reason: PolicyRefusal["reason"], detail: string): PolicyRefusal {
  const message = `Policy does not allow ${name} to be performed.`;
  return { isAllowed: false, reason, message, detail };
}

/** Upstream hands the name of the rule to its exception as the whole text. */
function scopeRefusal(name: PolicyName, detail: string): PolicyRefusal {
  return { isAllowed: false, reason: "scope", message: name, detail };
}
