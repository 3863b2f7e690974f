import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { queriesOfFlavors } from "../../src/cli/ask/nova-flavors.ts";
import { runCommandLine } from "../support/command-line.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { makeFolder, startHere, type LocalStowage } from "../support/stowage.ts";

let stowage: LocalStowage;
let folder: Awaited<ReturnType<typeof makeFolder>>;
beforeAll(async () => {
  stowage = await startHere();
  folder = await makeFolder();
  const { client } = stowage;
  for (const [number, vcpus] of [8, 16].entries()) {
    const uuid = providerUuid(number + 1);
    await makeProvider(client, uuid, { VCPU: vcpus, MEMORY_MB: 8192, DISK_GB: 100 });
    await client.put(`/resource_providers/${uuid}`, { name: `host-${number + 1}` });
  }
  const claim = claimBody({ [providerUuid(2)]: { VCPU: 12 } });
  await client.put(`/allocations/${consumerUuid(1)}`, claim);
});
afterAll(async () => {
  await stowage.stop();
  await folder.remove();
});

const ask = (...args: string[]) =>
  runCommandLine(["fit", "--url", stowage.client.url, ...args], { OS_TOKEN: "admin" });

describe("stowage fit", () => {
  test("tells people how often requests fit, and where most of them", async () => {
    const [exitCode, output] = await ask("m1=resources=VCPU:2,DISK_GB:40", "resources=VCPU:1");
    expect(exitCode).toBe(0);
    expect(output).toMatch(/^ +fits +at most +hosts +of +if empty +runs out of$/m);
    expect(output).toMatch(/^m1 +4 +4 +2 +2 +4 +DISK_GB \(1\), VCPU \(1\)$/m);
    expect(output).toMatch(/^resources=VCPU:1 +12 +12 +2 +2 +24 +VCPU \(2\)$/m);
    expect(output).toContain("host-1: 8, then no more VCPU");
  });

  test("supposes what its options say, in their order", async () => {
    const suppose = ["--without", "host-2", "--set", "*:VCPU:allocation_ratio=2,reserved=1"];
    const [, output] = await ask("--json", ...suppose, "--add", "host-1=2", "m1=resources=VCPU:1");
    expect(JSON.parse(output)).toMatchObject({ flavors: { m1: { total: 42, of_hosts: 3 } } });
    const [, limited] = await ask("--json", "--max-per-host", "3", "m1=resources=VCPU:1");
    expect(JSON.parse(limited)).toMatchObject({ flavors: { m1: { total: 6 } } });
  });

  test("ends with 3 when nothing fits, or when a host cannot be emptied", async () => {
    expect((await ask("resources=VCPU:17"))[0]).toBe(3);
    const [exitCode, output] = await ask("--drain", "host-2");
    expect([exitCode, output]).toEqual([
      3,
      "host-2: 0 of 1 consumers have a place on another host.\n" +
        `  ${consumerUuid(1)}: nowhere for VCPU:12\n`,
    ]);
    const [emptied, told] = await ask("--drain", "host-2", "--add", "host-2=1");
    expect([emptied, told]).toEqual([0, expect.stringContaining("to host-2 (added 1)")]);
  });

  test("ends with 2 for a wrong command line, with 1 when it could not be asked", async () => {
    expect(await ask()).toEqual([2, "", expect.stringContaining("say what is to fit")]);
    expect(await ask("--set", "host-1:VCPU", "resources=VCPU:1")).toEqual([
      2,
      "",
      expect.stringContaining("such as cmp-0001:VCPU:total=64"),
    ]);
    expect(await ask("--without", "nowhere", "resources=VCPU:1")).toEqual([
      1,
      "",
      expect.stringContaining("answered 400: suppose[0]: No resource provider"),
    ]);
  });

  test("reads flavors from a file, and says in which line of it something is wrong", async () => {
    const file = join(folder.path, "flavors.yaml");
    await writeFile(file, "m1: resources=VCPU:1\n# larger\nm2: resources=VCPU:12\n");
    const [, output] = await ask("--flavors", file);
    expect(output).toMatch(/^m1 +12 [^]*^m2 +0 /m);
    await writeFile(file, "m1: resources=VCPU:1\nm1: resources=VCPU:2\n");
    expect(await ask("--flavors", file)).toEqual([
      1,
      "",
      expect.stringMatching(/flavors\.yaml, line 2: Map keys must be unique/),
    ]);
  });

  test("reads flavors as the OpenStack client lists them", async () => {
    const file = join(folder.path, "flavors.json");
    const flavor = { Name: "m1.small", RAM: 1024, Disk: 10, VCPUs: 2, Swap: "", Properties: {} };
    await writeFile(file, JSON.stringify([flavor]));
    const [, output] = await ask("--flavors", file);
    expect(output).toMatch(/^m1\.small +6 /m);
  });
});

describe("a flavor is read as Nova reads it", () => {
  const OWN = "resources=VCPU:4,MEMORY_MB:2048,DISK_GB:21&required=!COMPUTE_STATUS_DISABLED";
  test.each([
    ["what it has, with swap in whole GB", {}, OWN],
    [
      "amounts in place of its own, and none for 0",
      { "resources:VCPU": "0", "resources:CUSTOM_BAREMETAL": "1" },
      "resources=MEMORY_MB:2048,DISK_GB:21,CUSTOM_BAREMETAL:1&required=!COMPUTE_STATUS_DISABLED",
    ],
    [
      "traits",
      { "trait:HW_CPU_X86_VMX": "required", "trait:CUSTOM_OLD": "forbidden" },
      `${OWN},HW_CPU_X86_VMX,!CUSTOM_OLD`,
    ],
    [
      "groups",
      {
        "resources1:VGPU": "1",
        "trait1:CUSTOM_FAST": "required",
        "resources2:VGPU": "1",
        group_policy: "isolate",
      },
      `${OWN}&resources1=VGPU:1&required1=CUSTOM_FAST&resources2=VGPU:1&group_policy=isolate`,
    ],
    [
      "dedicated processors, with one for the emulator",
      { "hw:cpu_policy": "dedicated", "hw:emulator_threads_policy": "isolate" },
      OWN.replace("VCPU:4", "PCPU:5"),
    ],
    [
      "some dedicated processors",
      { "hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "^0" },
      OWN.replace("VCPU:4", "VCPU:1,PCPU:3"),
    ],
    ["threads", { "hw:cpu_thread_policy": "isolate" }, `${OWN},!HW_CPU_HYPERTHREADING`],
    ["properties as one text", "hw:cpu_policy='dedicated'", OWN.replace("VCPU", "PCPU")],
  ])("%s", (_what, properties, expected) => {
    const flavor = {
      Name: "m1",
      RAM: 2048,
      Disk: 20,
      Ephemeral: 0,
      Swap: 512,
      VCPUs: 4,
      Properties: properties,
    };
    expect(decodeURIComponent(queriesOfFlavors([flavor]).get("m1")!)).toBe(expected);
  });

  test.each([
    [[{ VCPUs: 1 }], "no name"],
    [[{ Name: "m1", VCPUs: "many" }], "no number as its vcpus"],
    [[{ Name: "m1", Properties: { "resources:VCPU": "-1" } }], "no amount of VCPU: -1"],
    [[{ Name: "m1", Properties: { "hw:cpu_policy": "mixed" } }], "no hw:cpu_dedicated_mask"],
  ])("or refused: %j", (list, problem) => {
    expect(() => queriesOfFlavors(list)).toThrow(problem);
  });
});
