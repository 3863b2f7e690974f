/**
 * Makes `src/standard/*.json` from checkouts of openstack/os-resource-classes and
 * openstack/os-traits:
 *
 *     node scripts/refresh-standard.ts <os-resource-classes> <os-traits>
 *
 * Needs `python3`, which reads the lists without running the checkouts' code.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

interface StandardNames {
  readonly source: string;
  readonly commit: string;
  readonly names: readonly string[];
}

const FOLDER = path.join(import.meta.dirname, "../src/standard");

/** Prints, as JSON, the lists that are assigned to a variable, by the path of the file. */
const READ_LISTS = `
import ast, json, pathlib, sys
root, variable = pathlib.Path(sys.argv[1]), sys.argv[2]
lists = {}
for path in sorted(root.rglob("*.py")):
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == variable:
            lists[str(path.relative_to(root))] = ast.literal_eval(statement.value)
print(json.dumps(lists))
`;

function main(): void {
  const [resourceClassesCheckout, traitsCheckout] = process.argv.slice(2);
  if (resourceClassesCheckout === undefined || traitsCheckout === undefined) {
    throw new Error("usage: refresh-standard.ts <os-resource-classes> <os-traits>");
  }
  write("resource-classes.json", {
    source: "https://opendev.org/openstack/os-resource-classes",
    commit: commitOf(resourceClassesCheckout),
    names: resourceClassesIn(resourceClassesCheckout),
  });
  write("traits.json", {
    source: "https://opendev.org/openstack/os-traits",
    commit: commitOf(traitsCheckout),
    names: traitsIn(traitsCheckout),
  });
}

/** In the order of the list: the position of a class is its id, so the order may not change. */
function resourceClassesIn(checkout: string): string[] {
  const names = Object.values(
    readLists(path.join(checkout, "os_resource_classes"), "STANDARDS"),
  ).flat();
  const known = JSON.parse(
    readFileSync(path.join(FOLDER, "resource-classes.json"), "utf8"),
  ) as StandardNames;
  const moved = known.names.find((name, id) => names[id] !== name);
  if (moved !== undefined) throw new Error(`${moved} is no longer where it was`);
  return names;
}

/** A trait is named after the module that lists it: `os_traits/hw/cpu/x86/__init__.py`. */
function traitsIn(checkout: string): string[] {
  const lists = readLists(path.join(checkout, "os_traits"), "TRAITS");
  return Object.entries(lists)
    .filter(([file]) => !file.startsWith("tests"))
    .flatMap(([file, names]) => {
      const modules = file.replace(/(\/__init__)?\.py$/, "").split("/");
      return names.map((name) => [...modules, name].join("_").toUpperCase());
    })
    .sort();
}

function readLists(folder: string, variable: string): Record<string, string[]> {
  const output = execFileSync("python3", ["-c", READ_LISTS, folder, variable], {
    encoding: "utf8",
  });
  return JSON.parse(output) as Record<string, string[]>;
}

function commitOf(checkout: string): string {
  return execFileSync("git", ["-C", checkout, "rev-parse", "HEAD"], { encoding: "utf8" }).trim();
}

function write(file: string, content: StandardNames): void {
  writeFileSync(path.join(FOLDER, file), `${JSON.stringify(content, undefined, 2)}\n`);
}

main();
