import { describeAllowed } from "./option-value.ts";
import { ALL_OPTIONS, GROUP_HELP, optionLabel, type Option } from "./options.ts";

/** The reference page of all options, in Markdown, written from the option table. */
export function optionsReference(): string {
  const groups = Object.entries(GROUP_HELP).map(([group, help]) => groupSection(group, help));
  return `${[INTRODUCTION, ...groups].join("\n\n")}\n`;
}

const INTRODUCTION = `\
<!-- Written by scripts/write-options-reference.ts from src/config/options.ts; do not edit. -->

# Options

Stowage reads the configuration of OpenStack Placement: the same file, the same options, the same
defaults. What is new is in the group \`[stowage]\`.

## Where a value comes from

The first of these that has a value for an option counts:

1. the command line;
2. the environment variable \`OS_<GROUP>__<OPTION>\`, such as \`OS_PLACEMENT_DATABASE__CONNECTION\` or
   \`OS_DEFAULT__DEBUG\`;
3. the configuration files, the last one first;
4. the default.

The files are read in this order:

1. those of \`--config-file\`; without any, \`placement.conf\` in \`$OS_PLACEMENT_CONFIG_DIR\` if that is
   set, otherwise the first \`placement.conf\` in \`~/.placement\`, \`~\`, \`/etc/placement\`, \`/etc\`;
2. the \`*.conf\` in the directories of \`--config-dir\`, in the order of their names; without any, in
   the first \`placement.conf.d\` in \`$OS_PLACEMENT_CONFIG_DIR\` and the places above.

With no file and no variable at all, Stowage keeps its records in the file
\`stowage/placement.sqlite\` in \`$XDG_DATA_HOME\` (\`~/.local/share\`), which does not depend on the
directory it is started in, and uses \`auth_strategy = noauth2\`. One file or one variable ends that:
then \`[placement_database] connection\` is required and \`auth_strategy\` is \`keystone\`, as in upstream.
Variables of \`[stowage]\` do not. Under a service manager (\`NOTIFY_SOCKET\`, or \`INVOCATION_ID\` without a
terminal) nothing is assumed. \`stowage serve --demo\` is the first look whatever files and variables there are.

What was asked for has to be there: a file of \`--config-file\`, a \`*.conf\` in each \`--config-dir\`,
\`placement.conf\` in \`$OS_PLACEMENT_CONFIG_DIR\`. Of what was not, only what is certainly not there counts as
absent: a file or folder that may not be looked at, or a link that leads nowhere, ends the start.

## When a change takes effect

On SIGHUP, files and environment are read again, all or nothing: where something in them cannot be used,
all stays as it was, and the log says why. Options that the tables mark with SIGHUP take effect then, while
requests go on. Those marked with restart are read when a process starts. With several \`[stowage] workers\`,
SIGHUP replaces the workers, so that they take effect then, too.

## How a file is written

\`\`\`ini
[placement_database]
# A comment has a line to itself.
connection = mysql+pymysql://placement:pa$$word@db.example.org/placement

[keystone_authtoken]
service_token_roles = service,
    admin
\`\`\`

- \`#\` and \`;\` start a comment at the start of a line only; inside a value they are part of it.
- A line that starts with a blank or a tab continues the value above it.
- \`-\` and \`_\` are equal in option names. Groups are found in any case, option names and \`[DEFAULT]\`
  only as written here.
- A key that comes again replaces its earlier value, except where a list says "the key may be repeated".
- \`$name\`, \`\${name}\` and \`$group.name\` stand for the value of another option. A dollar sign is
  written \`$$\`; remember that for passwords.
- True and false may also be written yes and no, on and off, 1 and 0, in any case.
- White space around a value is dropped. Quotes around a value keep it.
- An unknown option is a warning, and so is a group whose name is almost one of this page, or that means
  nothing here (\`[profiler]\`, \`[healthcheck]\`, \`[cache]\`, \`[audit_middleware_notifications]\`). Other groups
  are left to others. A value that is not allowed is an error.`;

function groupSection(group: string, help: string): string {
  const options = ALL_OPTIONS.filter((option) => option.group === group);
  const effective = options.filter(({ definition }) => definition.ignored === undefined);
  const ignored = options.filter(({ definition }) => definition.ignored !== undefined);
  return [
    `## [${group}]`,
    help,
    ...(effective.length > 0 ? [effectiveTable(effective)] : []),
    ...(ignored.length > 0
      ? ["Accepted because upstream has them, but without effect:", ignoredTable(ignored)]
      : []),
  ].join("\n\n");
}

function effectiveTable(options: readonly Option[]): string {
  return table(
    ["option", "value", "default", "takes effect", "meaning"],
    options.map((option) => [
      code(option.name),
      describeAllowed(option.definition),
      defaultText(option),
      option.definition.takesEffect === "reload" ? "SIGHUP" : "restart",
      meaning(option),
    ]),
  );
}

function ignoredTable(options: readonly Option[]): string {
  return table(
    ["option", "default", "meaning in upstream", "why it has no effect"],
    options.map((option) => [
      code(option.name),
      defaultText(option),
      meaning(option),
      option.definition.ignored ?? "",
    ]),
  );
}

function meaning(option: Option): string {
  const { help, deprecatedNames = [] } = option.definition;
  const former = deprecatedNames.map((place) =>
    code(optionLabel({ group: option.group, name: option.name, ...place })),
  );
  return former.length === 0 ? help : `${help} Deprecated name: ${former.join(", ")}.`;
}

function defaultText({ definition }: Option): string {
  const value = definition.default;
  if (value === undefined) {
    return "required" in definition && definition.required ? "none; required" : "not set";
  }
  const text = String(value);
  return text === "" ? "empty" : code(typeof value === "object" ? value.join(", ") : text);
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => "---"), ...rows].map(tableRow).join("\n");
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`;
}

function code(text: string): string {
  return `\`${text}\``;
}
