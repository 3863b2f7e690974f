import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from "vitest";
import { defaultConfig, loadConfig, type Config, type LoadConfigRequest } from "./config.ts";
import { ConfigError } from "./config-error.ts";

const CONNECTION = "[placement_database]\nconnection = sqlite://\n";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "stowage-config-"));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

/** Writes a file below the test's directory and returns its path. */
function write(path: string, text: string): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** Loads with a home and a system directory that are the test's own. */
function load(request: Partial<LoadConfigRequest> = {}) {
  return loadConfig({
    workingDirectory: root,
    systemDirectory: join(root, "etc"),
    ...request,
    environment: { HOME: join(root, "home"), ...request.environment },
  });
}

function loadText(text: string, environment: Record<string, string> = {}) {
  return load({ configFiles: [write("placement.conf", text)], environment });
}

describe("where the configuration is found", () => {
  const PORT_OF: Record<string, number> = {
    "home/.placement": 1,
    home: 2,
    "etc/placement": 3,
    etc: 4,
    "snap-common/etc/placement": 5,
    "snap/etc/placement": 6,
  };

  test("the first placement.conf and the first placement.conf.d of the standard places are read", () => {
    const environment = { SNAP: join(root, "snap"), SNAP_COMMON: join(root, "snap-common") };
    for (const [place, port] of Object.entries(PORT_OF).reverse()) {
      const file = write(`${place}/placement.conf`, `${CONNECTION}[stowage]\nport = ${port}`);
      expect(load({ environment })).toMatchObject({
        sources: [file],
        config: { stowage: { port } },
      });
    }
    for (const [place, port] of Object.entries(PORT_OF).reverse()) {
      const file = write(`${place}/placement.conf.d/x.conf`, `[stowage]\nport = 1${port}`);
      const loaded = load({ environment });
      expect(loaded.sources).toEqual([join(root, "home/.placement/placement.conf"), file]);
      expect(loaded.config.stowage.port).toBe(10 + port);
    }
  });

  test("OS_PLACEMENT_CONFIG_DIR replaces the standard places, and must hold a placement.conf", () => {
    write("etc/placement/placement.conf", "[stowage]\nport = 1");
    write("etc/placement/placement.conf.d/a.conf", "[stowage]\nport = 2");
    const environment = { OS_PLACEMENT_CONFIG_DIR: ` ${join(root, "own")} ` };
    expect(() => load({ environment })).toThrow(
      new ConfigError(`${join(root, "own/placement.conf")}: cannot be read: ENOENT`),
    );

    const file = write("own/placement.conf", CONNECTION);
    expect(load({ environment }).sources).toEqual([
      file,
      join(root, "etc/placement/placement.conf.d/a.conf"),
    ]);
    const beside = write("own/placement.conf.d/b.conf", "");
    expect(load({ environment }).sources).toEqual([file, beside]);
  });

  test("--config-file replaces the default file only, --config-dir the default directory only", () => {
    const standard = write("etc/placement/placement.conf", CONNECTION);
    const standardPart = write("etc/placement/placement.conf.d/a.conf", "");
    const file = write("a.conf", CONNECTION);
    const part = write("parts/placement.conf", "");
    expect(load().sources).toEqual([standard, standardPart]);
    expect(load({ configFiles: [file] }).sources).toEqual([file, standardPart]);
    expect(load({ configDirs: [join(root, "parts")] }).sources).toEqual([standard, part]);
    expect(load({ configFiles: ["a.conf"], configDirs: ["parts"] }).sources).toEqual([file, part]);
  });

  test("a directory's *.conf are read in the order of their names, the last one counting", () => {
    write("parts/20.conf", `${CONNECTION}[stowage]\nport = 20`);
    write("parts/10.conf", "[stowage]\nport = 10\nworkers = 10");
    write("parts/.hidden.conf", "[stowage]\nport = 30");
    write("parts/30.conf.bak", "[stowage]\nport = 30");
    expect(load({ configDirs: ["parts"] })).toMatchObject({
      sources: [join(root, "parts/10.conf"), join(root, "parts/20.conf")],
      config: { stowage: { port: 20, workers: 10 } },
    });
  });

  test("a tilde is the home directory", () => {
    const file = write("home/own.conf", CONNECTION);
    expect(load({ configFiles: ["~/own.conf"] }).sources).toEqual([file]);
  });

  test("a directory that was asked for and does not exist is an error", () => {
    expect(() => load({ configDirs: ["nowhere"] })).toThrow(
      new ConfigError(`${join(root, "nowhere")}: no such directory`),
    );
  });

  test("a file that is not UTF-8 is an error", () => {
    const file = write("placement.conf", "");
    writeFileSync(file, Buffer.from([0x5b, 0xff]));
    expect(() => load({ configFiles: [file] })).toThrow(`${file}: is not a text in UTF-8`);
  });

  test("files named in options are looked for beside the configuration first", () => {
    const file = write("own/placement.conf", CONNECTION);
    mkdirSync(join(root, "parts"));
    expect(load({ configFiles: [file], configDirs: ["parts"] }).directories).toEqual([
      join(root, "parts"),
      join(root, "own"),
      join(root, "home/.placement"),
      join(root, "home"),
      join(root, "etc/placement"),
      join(root, "etc"),
    ]);
  });
});

describe("which value counts", () => {
  test("the command line before the environment before the files before the default", () => {
    const text = `${CONNECTION}[stowage]\nport = 1\nworkers = 1\nhost = file`;
    const environment = { OS_STOWAGE__PORT: "2", OS_STOWAGE__WORKERS: "2" };
    const { config } = load({
      configFiles: [write("placement.conf", text)],
      environment,
      overrides: { stowage: { port: 3, workers: undefined } },
    });
    expect(config.stowage).toMatchObject({
      port: 3,
      workers: 2,
      host: "file",
      shutdownTimeout: 30,
    });
  });

  test("the last line of the last file, except for options whose key may be repeated", () => {
    const text = `${CONNECTION}
[oslo_policy]
policy_dirs = a
policy_dirs = b,c
[cors]
allowed_origin = a
allowed_origin = b, c`;
    const configFiles = [
      write("a.conf", text),
      write("b.conf", "[OSLO_POLICY]\npolicy_dirs = d\n[Cors]\nallow_methods = GET"),
    ];
    const { config } = load({ configFiles });
    expect(config.osloPolicy.policyDirs).toEqual(["a", "b,c", "d"]);
    expect(config.cors).toMatchObject({ allowedOrigin: ["b", "c"], allowMethods: ["GET"] });
  });

  test("environment variables reach every group, and stand for one value", () => {
    const { config } = loadText("", {
      OS_PLACEMENT_DATABASE__CONNECTION: "sqlite:////x",
      OS_DEFAULT__DEBUG: "on",
      OS_OSLO_POLICY__POLICY_DIRS: "a,b",
    });
    expect(config.placementDatabase.connection).toBe("sqlite:////x");
    expect(config.default.debug).toBe(true);
    expect(config.osloPolicy.policyDirs).toEqual(["a,b"]);
  });

  test("option names match with - and _ alike, groups in any case", () => {
    const { config, warnings } = loadText(
      "[Placement_Database]\nconnection = sqlite://\n[DEFAULT]\nlog-file = x",
    );
    expect(config.default.logFile).toBe("x");
    expect(warnings).toEqual([]);
  });

  test("an empty number is no value, an empty text is one", () => {
    const { config } = loadText(
      `${CONNECTION}max_retries =\nmax_pool_size =\nmysql_sql_mode =\n[stowage]\nport=`,
    );
    expect(config.placementDatabase).toMatchObject({
      maxRetries: 10,
      maxPoolSize: undefined,
      mysqlSqlMode: "",
    });
    expect(config.stowage.port).toBe(8778);
  });

  test("the credentials of the service come from the group that auth_section names", () => {
    const { config, warnings } = loadText(
      `${CONNECTION}
[keystone_authtoken]
auth_section = Service_User
username = not me
region_name = here
[service_user]
auth_type = password
username = me
tenant_name = service
whatever = 1`,
      { OS_SERVICE_USER__PASSWORD: "secret" },
    );
    expect(config.keystoneAuthtoken).toMatchObject({
      authType: "password",
      username: "me",
      password: "secret",
      projectName: "service",
      regionName: "here",
    });
    expect(warnings).toEqual([]);
  });
});

describe("references to other options", () => {
  test("stand for the value in the same group, in [DEFAULT] or in the group named", () => {
    const { config } = loadText(`${CONNECTION}
[DEFAULT]
log_dir = /var/log/$stowage.host
debug = yes
[stowage]
host = \${api.auth_strategy}-$port-$debug
tls_cert_file = \${log_dir}/cert-$tls_key_file
tls_key_file =
[api]
auth_strategy = noauth2`);
    expect(config.stowage.host).toBe("noauth2-8778-True");
    expect(config.stowage.tlsCertFile).toBe("/var/log/noauth2-8778-True/cert-");
    expect(config.default.logDir).toBe("/var/log/noauth2-8778-True");
  });

  test("a dollar sign that is doubled, escaped or before anything else is text", () => {
    const { config } = loadText(
      `${CONNECTION}[stowage]\nhost = $$port \\$port \${ port } $1 $ $$$$ \\$$port`,
    );
    expect(config.stowage.host).toBe("$port $port ${ port } $1 $ $$ $8778");
  });

  test("a name that no option has is an error that tells how to write a dollar sign", () => {
    expect(() => loadText(`${CONNECTION}[stowage]\nhost = a$b`)).toThrow(
      new ConfigError(
        `${join(root, "placement.conf")}:4: [stowage] host: $b stands for the value of an option, but there is no such option; write $$ for a dollar sign`,
      ),
    );
  });

  test("a password is not shown in that error", () => {
    expect(() => loadText("[placement_database]\nconnection = mysql://u:pa$word@h/d")).toThrow(
      /^(?!.*word)/,
    );
  });

  test("an option that refers to itself is an error", () => {
    expect(() =>
      loadText(`${CONNECTION}[stowage]\nhost = $tls_cert_file\ntls_cert_file = $host`),
    ).toThrow("[stowage] host: its value refers to itself");
  });

  test("any text reads back when its dollar signs are doubled", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const { config } = loadText(
          `${CONNECTION}[stowage]\nhost = "${text.replaceAll("$", "$$$$")}"`,
        );
        expect(config.stowage.host).toBe(text);
      }),
    );
  });
});

describe("what is wrong is said", () => {
  test("a value that is not allowed is an error with file, line, option and what is allowed", () => {
    expect(() => loadText(`${CONNECTION}\n[stowage]\nport = 1\nport = 70000`)).toThrow(
      new ConfigError(
        `${join(root, "placement.conf")}:6: [stowage] port must be a whole number from 0 to 65535, but is "70000"`,
      ),
    );
    expect(() => loadText(CONNECTION, { OS_API__AUTH_STRATEGY: "none" })).toThrow(
      new ConfigError(
        'environment variable OS_API__AUTH_STRATEGY: [api] auth_strategy must be one of keystone, noauth2, but is "none"',
      ),
    );
    const file = write("placement.conf", CONNECTION);
    expect(() => load({ configFiles: [file], overrides: { stowage: { port: -1 } } })).toThrow(
      new ConfigError(
        'command line: [stowage] port must be a whole number from 0 to 65535, but is "-1"',
      ),
    );
  });

  test.each([
    ["max_retries", -2, -1],
    ["retry_interval", -1, 0],
    ["max_pool_size", -1, 0],
    ["max_overflow", -2, -1],
    ["connection_recycle_time", -2, -1],
  ])("a number below those that mean something is an error: %s = %i", (name, value, least) => {
    expect(() => loadText(`${CONNECTION}[placement_database]\n${name} = ${value}`)).toThrow(
      `[placement_database] ${name} must be a whole number of at least ${least}, but is "${value}"`,
    );
    expect(() => loadText(`${CONNECTION}[placement_database]\n${name} = ${least}`)).not.toThrow();
  });

  test("a configuration without a database is an error", () => {
    expect(() => loadText("[stowage]\nport = 1")).toThrow(
      new ConfigError(
        "[placement_database] connection is not set; write it to the configuration file or set OS_PLACEMENT_DATABASE__CONNECTION",
      ),
    );
  });

  test("an unknown option of a known group is a warning, an unknown group is not", () => {
    const { warnings } = loadText(
      `${CONNECTION}conection = x\n[profiler]\nenabled = true\n[default]\ndebug = true\n[DEFAULT]\nDebug = true`,
      { OS_API__STRATEGY: "x", OS_CACHE__ENABLED: "x", OS_AUTH_URL: "x" },
    );
    const file = join(root, "placement.conf");
    expect(warnings).toEqual([
      `${file}:3: [placement_database] conection is unknown and has no effect`,
      `${file}:9: [DEFAULT] Debug is unknown and has no effect`,
      "environment variable OS_API__STRATEGY: [api] strategy is unknown and has no effect",
    ]);
  });

  test("a deprecated name works, with a warning, unless the present name is in the same file", () => {
    const { config, warnings } = loadText(
      `${CONNECTION}[DEFAULT]\nauth_strategy = noauth2\n[keystone_authtoken]\nauth-uri = old\nwww_authenticate_uri = new`,
    );
    const file = join(root, "placement.conf");
    expect(config.api.authStrategy).toBe("noauth2");
    expect(config.keystoneAuthtoken.wwwAuthenticateUri).toBe("new");
    expect(warnings).toEqual([
      `${file}:4: [DEFAULT] auth_strategy is deprecated; use [api] auth_strategy`,
      `${file}:6: [keystone_authtoken] auth_uri is deprecated; use [keystone_authtoken] www_authenticate_uri`,
    ]);
  });

  test("an option without effect is a warning when it is set to something unusual", () => {
    const { warnings } = loadText(
      `${CONNECTION}connection_debug = 0\n[keystone_authtoken]\nmemcached_servers = a:1, b:1`,
    );
    expect(warnings).toEqual([
      `${join(root, "placement.conf")}:5: [keystone_authtoken] memcached_servers has no effect: validated tokens are cached in the memory of the process`,
    ]);
  });
});

describe("without any configuration", () => {
  test("an SQLite file of the user's and noauth2 are used, on loopback", () => {
    const { config, ...loaded } = load();
    expect(loaded).toMatchObject({ sources: [], warnings: [], isZeroConfig: true });
    expect(config.api.authStrategy).toBe("noauth2");
    expect(config.stowage.host).toBe("127.0.0.1");
    expect(config.placementDatabase.connection).toBe(
      `sqlite:///${root}/home/.local/share/stowage/placement.sqlite`,
    );
  });

  test("XDG_DATA_HOME says where the file is, and the command line outranks all of it", () => {
    const environment = { XDG_DATA_HOME: "/data" };
    const { config, isZeroConfig } = load({
      environment,
      overrides: { api: { authStrategy: "keystone" } },
    });
    expect(isZeroConfig).toBe(true);
    expect(config.api.authStrategy).toBe("keystone");
    expect(config.placementDatabase.connection).toBe("sqlite:////data/stowage/placement.sqlite");
  });

  test("one variable or one file, even an empty one, makes upstream's defaults count", () => {
    const environment = { OS_PLACEMENT_DATABASE__CONNECTION: "sqlite://" };
    expect(load({ environment })).toMatchObject({
      isZeroConfig: false,
      config: { api: { authStrategy: "keystone" } },
    });
    expect(() => load({ environment: { OS_API__AUHT_STRATEGY: "keystone" } })).toThrow(ConfigError);
    expect(() => loadText("")).toThrow(ConfigError);
  });
});

describe("the loaded configuration", () => {
  test("is frozen throughout", () => {
    const config = defaultConfig();
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.stowage)).toBe(true);
    expect(Object.isFrozen(config.cors.allowMethods)).toBe(true);
  });

  test("has the defaults of the table in tests, on a database in memory", () => {
    const config = defaultConfig({ stowage: { port: 0, host: undefined } });
    expect(config.stowage).toMatchObject({ port: 0, host: "127.0.0.1" });
    expect(config.api.authStrategy).toBe("keystone");
    expect(config.placementDatabase.connection).toBe("sqlite://");
    expect(config.default.statePath).toBe("");
  });

  test("has the types of the table", () => {
    expectTypeOf<Config["stowage"]["port"]>().toEqualTypeOf<number>();
    expectTypeOf<Config["placementDatabase"]["maxPoolSize"]>().toEqualTypeOf<number | undefined>();
    expectTypeOf<Config["placementDatabase"]["connection"]>().toEqualTypeOf<string>();
    expectTypeOf<Config["api"]["authStrategy"]>().toEqualTypeOf<"keystone" | "noauth2">();
    expectTypeOf<Config["default"]["debug"]>().toEqualTypeOf<boolean>();
    expectTypeOf<Config["default"]["logFile"]>().toEqualTypeOf<string | undefined>();
    expectTypeOf<Config["osloPolicy"]["policyDirs"]>().toEqualTypeOf<readonly string[]>();
  });
});
