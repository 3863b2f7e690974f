import { type BigIntStats, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { isMap, isScalar, parseDocument } from "yaml";
import { PolicyFileError } from "./policy-file-error.ts";
import { parseRule, type RuleSource } from "./rule-language.ts";
import type { FileRule, FileRules } from "./rule-set.ts";

export interface PolicyFileOptions {
  readonly policyFile: string;
  readonly policyDirs: readonly string[];
}

export interface PolicyFiles {
  /** Paths in the order of reading; where two have the same rule, the later one counts. */
  readonly paths: readonly string[];
  /** Differs whenever a file came, went or changed. */
  readonly fingerprint: string;
}

const DEFAULT_NAME = "policy.yaml";
const FORMER_DEFAULT_NAME = "policy.json";

/**
 * Finds the policy file and the files of the policy directories, by oslo.policy's rules: a relative
 * path is looked for in each configuration directory, the first one counts, and what does not exist
 * is left out. Older releases of oslo.policy read `policy.json` where there is no `policy.yaml`.
 *
 * @throws PolicyFileError when a policy directory or a file in it cannot be looked at.
 */
export function findPolicyFiles(
  options: PolicyFileOptions,
  directories: readonly string[],
): PolicyFiles {
  const file =
    findPath(options.policyFile, directories) ??
    (options.policyFile === DEFAULT_NAME ? findPath(FORMER_DEFAULT_NAME, directories) : undefined);
  const inDirectories = options.policyDirs
    .map((directory) => findPath(directory, directories))
    .flatMap((directory) => (directory === undefined ? [] : filesOf(directory)));

  const paths: string[] = [];
  const marks: string[] = [];
  for (const path of [...(file === undefined ? [] : [file]), ...inDirectories]) {
    const status = statusOf(path);
    if (status === undefined) continue;
    paths.push(path);
    marks.push(`${path} ${status.mtimeNs} ${status.size} ${status.ino}`);
  }
  return { paths, fingerprint: marks.join("\n") };
}

/** @throws PolicyFileError when a file cannot be read or holds something else than rules. */
export function readPolicyFiles(paths: readonly string[]): FileRules {
  return new Map(paths.flatMap((path) => [...readPolicyFile(path)]));
}

function findPath(name: string, directories: readonly string[]): string | undefined {
  const candidates = isAbsolute(name) ? [name] : directories.map((path) => join(path, name));
  return candidates.find((path) => existsSync(path));
}

/** Neither hidden files nor those of subdirectories. */
function filesOf(directory: string): string[] {
  return attempt(directory, () => readdirSync(directory))
    .filter((name) => !name.startsWith("."))
    .sort()
    .map((name) => join(directory, name))
    .filter((path) => statusOf(path)?.isDirectory() === false);
}

/** `undefined` for what does not exist any more. */
function statusOf(path: string): BigIntStats | undefined {
  return attempt(path, () => statSync(path, { bigint: true, throwIfNoEntry: false }));
}

function readPolicyFile(path: string): Map<string, FileRule> {
  const text = attempt(path, () => readFileSync(path, "utf8"));
  const content = attempt(path, () => parseYaml(text));
  if (content === null) return new Map();
  if (!(content instanceof Map)) throw new PolicyFileError(`${path}: not a mapping of rules`);

  const rules = new Map<string, FileRule>();
  for (const [key, value] of content as Map<unknown, unknown>) {
    const name = String(key);
    const source = ruleSource(value);
    if (source === undefined) {
      throw new PolicyFileError(`${path}: rule "${name}" is neither text nor a list`);
    }
    rules.set(name, { check: parseRule(source), file: path });
  }
  return rules;
}

/** As PyYAML reads it: YAML 1.1, of which JSON is a part; the later one of two equal keys counts. */
function parseYaml(text: string): unknown {
  const document = parseDocument(text, { version: "1.1", uniqueKeys: false });
  // A tag that nobody knows is only a warning here, but it may have swallowed a whole rule.
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw problem;
  if (isMap(document.contents)) document.contents.items.forEach(({ key }) => checkName(key, text));
  return document.toJS({ mapAsMap: true });
}

/** In `{ // a comment` and a rule after it, both would be one name, and the rule would be lost. */
function checkName(key: unknown, text: string): void {
  if (!isScalar(key) || !key.range) return;
  const [from, to] = key.range;
  if (text.slice(from, to).includes("\n")) {
    throw new Error(`the name of a rule, ${JSON.stringify(key.value)}, goes over several lines`);
  }
}

/** Nothing behind the colon is an empty rule, as oslo.policy has it. */
function ruleSource(value: unknown): RuleSource | undefined {
  if (value === null) return "";
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  const isList = value.every(
    (item) => typeof item === "string" || (Array.isArray(item) && item.every(isText)),
  );
  return isList ? value : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** Whatever the file system or the YAML parser says becomes an error that names the file. */
function attempt<Result>(path: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PolicyFileError(`${path}: ${reason}`, { cause: error });
  }
}
