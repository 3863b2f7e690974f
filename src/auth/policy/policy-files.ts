import { messageOf } from "../../config/operator-error.ts";
import { type BigIntStats, readdirSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { isMap, isScalar, parseDocument } from "yaml";
import { PolicyFileError } from "./policy-file-error.ts";
import { isThere } from "../../config/is-there.ts";
import { checksWithin, parseRule, type Check, type RuleSource } from "./rule-language.ts";
import type { FileRule, FileRules } from "./rule-set.ts";

interface PolicyFileOptions {
  readonly policyFile: string;
  readonly policyDirs: readonly string[];
}

interface PolicyFiles {
  /** Paths in the order of reading; where two have the same rule, the later one counts. */
  readonly paths: readonly string[];
  /** The names, file or directories, that there is nothing by. */
  readonly missing: readonly string[];
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
 * @throws PolicyFileError when it cannot be told whether a file is there, or what it is: rules that
 *   were written may not be taken for none.
 */
export function findPolicyFiles(
  options: PolicyFileOptions,
  directories: readonly string[],
): PolicyFiles {
  const file =
    findPath(options.policyFile, directories) ??
    (options.policyFile === DEFAULT_NAME ? findPath(FORMER_DEFAULT_NAME, directories) : undefined);
  const found = options.policyDirs.map((directory) => findPath(directory, directories));
  const inDirectories = found.flatMap((directory) =>
    directory === undefined ? [] : filesOf(directory),
  );
  const missing = [
    ...(file === undefined ? [options.policyFile] : []),
    ...options.policyDirs.filter((_, at) => found[at] === undefined),
  ];

  const paths: string[] = [];
  const marks: string[] = [];
  for (const path of [...(file === undefined ? [] : [file]), ...inDirectories]) {
    const status = statusOf(path);
    if (status === undefined) continue;
    paths.push(path);
    marks.push(`${path} ${status.mtimeNs} ${status.size} ${status.ino}`);
  }
  return { paths, missing, fingerprint: marks.join("\n") };
}

/**
 * The rules of all files, and the files that hold none.
 *
 * @throws PolicyFileError when a file cannot be read, holds something else than rules, or more of them
 *   than anybody writes.
 */
export function readPolicyFiles(paths: readonly string[]): {
  readonly rules: FileRules;
  readonly emptyFiles: readonly string[];
} {
  const files = paths.map((path) => ({ path, rules: readPolicyFile(path) }));
  const rules = new Map(files.flatMap((file) => [...file.rules]));
  const checks = [...rules.values()].reduce((sum, { check }) => sum + countChecks(check), 0);
  if (rules.size > MAX_RULES || checks > MAX_CHECKS) {
    throw new PolicyFileError(
      `${paths.join(", ")}: ${rules.size} rules with ${checks} checks; there may be ${MAX_RULES} with ` +
        `${MAX_CHECKS} in all`,
    );
  }
  return { rules, emptyFiles: files.flatMap(({ path, rules: { size } }) => (size ? [] : [path])) };
}

/**
 * Placement has some forty rules of a few checks each: these are for files that were made to hurt, or
 * by mistake. All checks are looked at whenever a file is read, and may be with a request: 10,000 take
 * some two milliseconds.
 */
const MAX_FILE_BYTES = 256 * 1024;
const MAX_RULES = 1000;
const MAX_CHECKS = 10_000;

function countChecks(check: Check): number {
  let count = 0;
  for (const _ of checksWithin(check)) count++;
  return count;
}

function findPath(name: string, directories: readonly string[]): string | undefined {
  const candidates = isAbsolute(name) ? [name] : directories.map((path) => join(path, name));
  return candidates.find((path) => attempt(path, () => isThere(path)));
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
  const text = attempt(path, () => readText(path));
  const { content, bareTags } = attempt(path, () => parseYaml(text));
  if (content === null) return new Map();
  if (!(content instanceof Map)) throw new PolicyFileError(`${path}: not a mapping of rules`);

  const rules = new Map<string, FileRule>();
  for (const [key, value] of content as Map<unknown, unknown>) {
    const name = String(key);
    const source = ruleSource(value);
    if (source === undefined) {
      throw new PolicyFileError(`${path}: rule "${name}" is neither text nor a list`);
    }
    const check = bareTags.has(name) ? BARE_TAG : parseRule(source);
    rules.set(name, { check, file: path });
  }
  return rules;
}

/** A pipe would be waited for, and so would a device. */
function readText(path: string): string {
  const status = statSync(path);
  if (!status.isFile()) throw new Error("not a regular file");
  if (status.size > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`);
  return readFileSync(path, "utf8");
}

interface Content {
  readonly content: unknown;
  /** The names of the rules that are a tag and nothing else. */
  readonly bareTags: ReadonlySet<string>;
}

/** As PyYAML reads it: YAML 1.1, of which JSON is a part; the later one of two equal keys counts. */
function parseYaml(text: string): Content {
  const document = parseDocument(text, { version: "1.1", uniqueKeys: false });
  // A tag that nobody knows is only a warning here, but it may have swallowed a whole rule.
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw problem;
  const bareTags = new Set<string>();
  if (isMap(document.contents)) {
    for (const { key, value } of document.contents.items) {
      checkName(key, text);
      if (isBareTag(value)) bareTags.add(String(isScalar(key) ? key.value : key));
    }
  }
  return { content: document.toJS({ mapAsMap: true }), bareTags };
}

/** `"rule": !` looks like oslo.policy's "never", but is YAML's tag of nothing: a rule that lets all in. */
function isBareTag(node: unknown): boolean {
  return isScalar(node) && node.tag !== undefined && node.type === "PLAIN" && node.source === "";
}

const BARE_TAG: Check = {
  type: "undecidable",
  text: "!",
  problem: 'a tag with nothing behind it; "!" has to be quoted',
};

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
    const reason = messageOf(error);
    throw new PolicyFileError(`${path}: ${reason}`, { cause: error });
  }
}
