/**
 * Two questions about the packages in `package-lock.json`: is one known to be vulnerable, and may
 * Stowage be published with all of them?
 *
 *     npm run audit
 *
 * Exits with 1 when the answer to either is bad, and with 2 where the advisory service gave none: then
 * the first question is open, which is not a pass.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";

/** Licences that ask for no more than to be named. */
const PERMISSIVE = new Set(["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"]);

/** Also for tools that are used here and not published: the licence covers changes to their files. */
const FOR_TOOLS = new Set([...PERMISSIVE, "MPL-2.0"]);

const ROOT = path.join(import.meta.dirname, "..");

interface LockedPackage {
  readonly license?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface LockFile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

const BAD = 1;
const NO_ANSWER = 2;

const isLicensed = checkLicences();
const advisories = checkAdvisories();
if (!isLicensed || advisories === "vulnerable") process.exitCode = BAD;
else if (advisories === "no answer") process.exitCode = NO_ANSWER;

function checkLicences(): boolean {
  const lock = JSON.parse(readFileSync(path.join(ROOT, "package-lock.json"), "utf8")) as LockFile;
  const packages = Object.entries(lock.packages);
  const refused = packages
    .map(([folder, entry]) => ({ folder, licence: licenceOf(folder, entry, lock), ...entry }))
    .filter(({ licence, dev = false }) => !(dev ? FOR_TOOLS : PERMISSIVE).has(licence));
  for (const { folder, licence } of refused) {
    console.error(`licences: ${folder} has ${licence}, which is not among those allowed`);
  }
  if (refused.length === 0) console.log(`licences: all ${packages.length} packages are allowed`);
  return refused.length === 0;
}

/**
 * npm does not write down the licence of a package for another platform. It is that of the package
 * that names it, of which it is a part.
 */
function licenceOf(folder: string, { license }: LockedPackage, { packages }: LockFile): string {
  if (license !== undefined) return license;
  const name = folder.replace(/^.*node_modules\//, "");
  const whole = Object.values(packages).find(
    ({ optionalDependencies = {} }) => name in optionalDependencies,
  );
  return whole?.license ?? "no licence";
}

function checkAdvisories(): "sound" | "vulnerable" | "no answer" {
  const { stdout, error } = spawnSync("npm", ["audit", "--json"], { cwd: ROOT, encoding: "utf8" });
  const report = error ? { message: error.message } : parseReport(stdout);
  if (report.vulnerabilities === undefined) {
    console.error(`advisories: NOT CHECKED, the service gave no answer: ${report.message ?? "-"}`);
    return "no answer";
  }
  const found = Object.entries(report.vulnerabilities);
  for (const [name, { severity, range }] of found) {
    console.error(`advisories: ${name} ${range} is vulnerable (${severity}); see npm audit`);
  }
  if (found.length === 0) console.log("advisories: no package is known to be vulnerable");
  return found.length === 0 ? "sound" : "vulnerable";
}

interface Report {
  readonly message?: string;
  readonly vulnerabilities?: Readonly<Record<string, { severity: string; range: string }>>;
}

/** What stands between us and the service may answer in its place, and not in JSON. */
function parseReport(text: string): Report {
  try {
    const report: unknown = JSON.parse(text);
    return typeof report === "object" && report !== null ? report : {};
  } catch {
    return { message: "what came is not JSON" };
  }
}
