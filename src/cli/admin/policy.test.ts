import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { ALL_RULES } from "../../auth/policy/rules.ts";
import { defaultConfig } from "../../config/config.ts";
import { policyCheck, policyList, policySample } from "./policy.ts";

class TextStream extends Writable {
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

let folder: string;
let output: TextStream;
let problems: TextStream;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "stowage-policy-"));
  output = new TextStream();
  problems = new TextStream();
});

afterEach(() => rmSync(folder, { recursive: true }));

function loaded(rules: Record<string, string> = {}) {
  writeFileSync(join(folder, "policy.yaml"), JSON.stringify(rules));
  return { config: defaultConfig(), directories: [folder] };
}

describe("policy list", () => {
  test("shows the rules in force as YAML, and where each is from", () => {
    const file = loaded({ "placement:traits:list": "rule:mine", mine: "role:x" });
    expect(policyList(file, output, problems)).toBe(0);
    const rules = parse(output.text) as Record<string, string>;
    expect(Object.keys(rules)).toHaveLength(ALL_RULES.length + 1);
    expect(rules["placement:usages"]).toBe("rule:admin_or_project_reader_or_service_api");
    expect(rules["mine"]).toBe("role:x");
    expect(output.text).toContain(
      `"placement:traits:list": "rule:mine"  # ${join(folder, "policy.yaml")}\n`,
    );
    expect(output.text).toContain('"service_api": "role:service"  # default\n');
    expect(problems.text).toBe("");
  });

  test("tells apart what is wrong with the rules", () => {
    policyList(loaded({ "placement:traits:list": "@" }), output, problems);
    expect(problems.text).toMatch(
      /^stowage: warning: policy allows everyone.*placement:traits:list\n$/,
    );
  });
});

test("policy sample has all defaults, commented out", () => {
  expect(policySample(output)).toBe(0);
  expect(parse(output.text)).toBeNull();
  const rules = parse(output.text.replaceAll(/^#"/gm, '"')) as Record<string, string>;
  expect(rules).toEqual(Object.fromEntries(ALL_RULES.map(({ name, check }) => [name, check])));
});

describe("policy check", () => {
  test("tells what somebody may do, and why not", () => {
    const code = policyCheck(loaded(), [], { role: ["reader"], project: "p" }, output, problems);
    expect(code).toBe(0);
    expect(output.text).toContain("allowed  placement:usages\n");
    expect(output.text).toContain("refused  placement:traits:list  (the rule says no)\n");
  });

  test("asks for another project where the rule is about one", () => {
    const reader = { role: ["reader"], project: "p", targetProject: "q" };
    expect(policyCheck(loaded(), ["placement:usages"], reader, output, problems)).toBe(1);
  });

  test("exits with 1 if one of the rules asked for refuses", () => {
    const names = ["placement:traits:list", "placement:reshaper:reshape"];
    const admin = { role: ["admin"] };
    expect(policyCheck(loaded(), names.slice(0, 1), admin, output, problems)).toBe(0);
    expect(policyCheck(loaded(), names, admin, output, problems)).toBe(1);
    const ofSystem = { ...admin, systemScope: "all" };
    expect(policyCheck(loaded(), names.slice(0, 1), ofSystem, output, problems)).toBe(1);
    expect(output.text).toContain("(needs project scope, not system)");
  });

  test("exits with 2 for a rule that does not exist", () => {
    expect(policyCheck(loaded(), ["placement:nothing"], {}, output, problems)).toBe(2);
    expect(problems.text).toBe("stowage: no such policy rule: placement:nothing\n");
  });
});
