import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect, onTestFinished, test } from "vitest";

import { Replica } from "../../src/cli/serve/replica.ts";
import { defaultConfig, type Config, type ConfigOverrides } from "../../src/config/config.ts";
import { ALL_OPTIONS, camelCase, optionLabel } from "../../src/config/options.ts";
import { createLogger } from "../../src/observability/logger.ts";
import { Client } from "../support/client.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { makeFolder } from "../support/stowage.ts";

/** A configuration that tells of each option, `[group] name`, that is read. */
function watched(config: Config, onRead: (label: string) => void): Config {
  const copy = { ...config } as Record<string, object>;
  for (const { group, name } of ALL_OPTIONS) {
    const values = config as unknown as Record<string, Record<string, unknown>>;
    const target = camelCase(group);
    if (copy[target] === values[target]) copy[target] = {};
    Object.defineProperty(copy[target], camelCase(name), {
      enumerable: true,
      get() {
        onRead(optionLabel({ group, name }));
        return values[target]?.[camelCase(name)];
      },
    });
  }
  return copy as unknown as Config;
}

function labels(takesEffect: "reload" | "restart"): string[] {
  return ALL_OPTIONS.filter(({ definition }) => definition.takesEffect === takesEffect).map(
    optionLabel,
  );
}

// Those of the log are seen to beside the replica.
const LOG = /^\[DEFAULT\] /;

test("one process goes by the new value of an option exactly if the table says so", async () => {
  const folder = await makeFolder();
  onTestFinished(() => folder.remove());
  const settings: ConfigOverrides = {
    api: { authStrategy: "noauth2" },
    keystoneAuthtoken: {
      authUrl: "http://127.0.0.1:1",
      authType: "password",
      username: "placement",
      password: "secret",
      userDomainId: "default",
    },
    cors: { allowedOrigin: ["https://example.org"] },
    placementDatabase: {
      connection: `sqlite:///${join(folder.path, "p.sqlite")}`,
      syncOnStartup: true,
    },
    stowage: { port: 0 },
  };
  const loaded = (config: Config) => ({
    config,
    sources: [],
    variables: [],
    origins: {},
    directories: [folder.path],
    warnings: [],
    isZeroConfig: false,
  });
  const [madeOfOld, oldAfterwards, fresh] = [
    new Set<string>(),
    new Set<string>(),
    new Set<string>(),
  ] as const;
  let isReloaded = false;
  const before = watched(defaultConfig(settings), (label) => {
    if (isReloaded) oldAfterwards.add(label);
    // What service and database make of a value, they keep.
    if (/src\/(operations|db|read-model|claims)\//.test(new Error().stack ?? ""))
      madeOfOld.add(label);
  });
  const logger = createLogger(defaultConfig().default, new PassThrough());
  const replica = await Replica.start(loaded(before), [], logger, () => {});
  const client = new Client(replica.url);
  try {
    for (const authStrategy of ["noauth2", "keystone", "noauth2"] as const) {
      const after = defaultConfig({ ...settings, api: { authStrategy } });
      replica.reload(loaded(watched(after, (label) => fresh.add(label))));
      isReloaded = true;
      if (authStrategy === "keystone") await client.get("/traits");
    }
    await makeProvider(client, providerUuid(1), { VCPU: 10 });
    await client.put(
      `/allocations/${consumerUuid(1)}`,
      claimBody({ [providerUuid(1)]: { VCPU: 1 } }),
    );
    await client.get("/allocation_candidates?resources=VCPU:1");
    await client.get("/resource_providers", { headers: { origin: "https://example.org" } });
  } finally {
    client.close();
    await replica.stop();
  }
  const reload = labels("reload").filter((label) => !LOG.test(label));
  expect(
    reload.filter((label) => oldAfterwards.has(label)),
    "the old value is used",
  ).toEqual([]);
  expect(
    reload.filter((label) => madeOfOld.has(label)),
    "made once at the start",
  ).toEqual([]);
  expect(
    labels("restart").filter((label) => fresh.has(label)),
    "half of it changes",
  ).toEqual([]);
  // The watch sees something at all.
  for (const label of [
    "[stowage] max_body_size",
    "[cors] allowed_origin",
    "[keystone_authtoken] auth_url",
  ]) {
    expect(fresh).toContain(label);
  }
  expect(oldAfterwards).toContain("[stowage] database_timeout");
});
