import { BASE_RULES, PLACEMENT_ACTIONS, type DefaultRule } from "./default-rules.ts";
import { STOWAGE_RULES } from "./stowage-rules.ts";

/** The reference page of all policy rules, in Markdown, written from the table of default rules. */
export function policyReference(): string {
  const parts = [
    INTRODUCTION,
    "## Rules of the API",
    ACTIONS,
    table(PLACEMENT_ACTIONS),
    "## Rules of what Placement does not have",
    OURS,
    table(STOWAGE_RULES),
    "## Rules that others refer to",
    BASE,
    table(BASE_RULES),
    LANGUAGE,
  ];
  return `${parts.join("\n\n")}\n`;
}

const INTRODUCTION = `\
<!-- Written by scripts/write-policy-reference.ts from src/auth/policy; do not edit. -->

# Policy

Who may do what is said by rules, one for each action of the API: those of OpenStack Placement, with
its names and defaults, and \`stowage:…\` for what it does not have. A policy file overrides single rules; what it does not name keeps its
default.

- \`stowage policy list\` shows the rules in force, and where each is from.
- \`stowage policy sample\` prints a \`policy.yaml\` with all defaults, commented out.
- \`stowage policy check --role reader --project …\` tells what somebody may do.

## Policy files

\`[oslo_policy] policy_file\` (\`policy.yaml\`) is looked for in the configuration directories, and where
there is no \`policy.yaml\`, \`policy.json\`. After it come the files of \`policy_dirs\` (\`policy.d\`), in
the order of their names; the later one of two equal rules counts. No file needs to exist, but one that was
named and does not is a warning.

\`\`\`yaml
# Readers of any project may look at resource providers.
"placement:resource_providers:list": "rule:admin_or_service_api or role:reader"
\`\`\`

Files that have changed are read again within a second. A file that cannot be used keeps the service
from starting; while it is running, the last good rules stay in force and the log says so once.
What may not be looked at, or is a link that leads nowhere, is such a file, and not one that is absent.
Rules that let everyone in, even without a role, are pointed out in the log, and so are files without a rule
and rules that nobody asks for. \`"rule": !\` without quotes refuses: YAML takes it for nothing at all, which would
let everyone in.

A file has at most 256 KiB; all files together have at most 1,000 rules with 10,000 checks. Brackets and \`not\` may
stand 100 deep in each other. A rule that leads on to others more than 1,000 deep refuses.

## What is decided, in this order

1. The scope of the token. With \`enforce_scope\`, the rules below are for project-scoped tokens alone:
   a token for the system or a domain is refused, whatever a policy file says. A token without a
   scope goes on to the rules.
2. The rule of the policy files, or the default. Without \`enforce_new_defaults\`, a default also allows
   what its deprecated predecessor allowed, unless a policy file overrides the rule.

A refusal is answered 403.`;

const ACTIONS = `\
\`%(project_id)s\` and \`%(user_id)s\` stand for the requester's own project and user; for
\`placement:usages\`, \`%(project_id)s\` is the project that the query asks for, and there is no user.`;

const OURS = `\
Placement takes no notice of these, so one policy file can be shared with it.`;

const BASE = "A policy file can override these too, which changes every rule that refers to them.";

const LANGUAGE = `\
## The language of rules

| check | passes |
| --- | --- |
| \`role:admin\` | who has the role; upper and lower case are equal |
| \`rule:admin_api\` | who passes that rule |
| \`project_id:%(project_id)s\` | whose attribute, here the project, equals that of the target |
| \`user_domain_id:default\` | whose attribute has that value |
| \`'service':%(user_id)s\`, \`True:…\` | where the target's attribute equals the literal |
| \`@\`, or nothing at all | everyone |
| \`!\` | nobody |

Checks are joined by \`and\`, \`or\`, \`not\` and brackets; \`not\` binds closest, then \`and\`, then \`or\`. The
old form is a list of alternatives, each a check or a list of checks that must all pass:
\`[["role:admin"], ["role:reader", "project_id:%(project_id)s"]]\`.

The attributes are \`user_id\`, \`user_domain_id\`, \`project_id\`, \`project_domain_id\`, \`domain_id\`,
\`system_scope\`, \`system\` (the same, for system-scoped tokens only), \`roles\`, \`is_admin_project\`,
\`service_user_id\`, \`service_user_domain_id\`, \`service_project_id\`, \`service_project_domain_id\` and
\`service_roles\`. One that has no value equals \`None\`; one that does not exist, such as \`is_admin\`,
equals nothing.

What is not understood is refused: a rule that cannot be parsed, a check without a colon, a reference
to a rule that does not exist (unless there is a rule named as \`policy_default_rule\` says), a rule
that leads back to itself, and \`http:\` and \`https:\` checks, which Stowage does not make. The log
points all of them out when the file is read.`;

function table(rules: readonly DefaultRule[]): string {
  const hasOperations = rules.some(({ operations }) => operations.length > 0);
  const header = ["rule", "default", "meaning", "scope"];
  const rows = rules.map((rule) => [
    code(rule.name),
    code(rule.check) + deprecatedText(rule),
    rule.description,
    rule.scopeTypes?.join(", ") ?? "any",
    ...(hasOperations ? [rule.operations.map(code).join("<br>")] : []),
  ]);
  if (hasOperations) header.push("requests");
  return [header, header.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function deprecatedText({ deprecatedRule }: DefaultRule): string {
  return deprecatedRule === undefined ? "" : `; before: ${code(deprecatedRule.check)}`;
}

function code(text: string): string {
  return `\`${text}\``;
}
