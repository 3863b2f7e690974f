import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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

  test.each(["", "policy.yaml"])(
    "a directory that was asked for and has no *.conf is an error: %j",
    (name) => {
      mkdirSync(join(root, "parts"));
      if (name !== "") write(`parts/${name}`, "");
      expect(() => load({ configDirs: ["parts"] })).toThrow(
        new ConfigError(`${join(root, "parts")}: there is no *.conf file in this directory`),
      );
    },
  );

  test("a file in place of a directory, or a directory in place of a file, is an error", () => {
    const file = write("x.conf", CONNECTION);
    expect(() => load({ configDirs: [file] })).toThrow(`${file}: it cannot be told`);
    expect(() => load({ configFiles: [root] })).toThrow(`${root}: cannot be read: EISDIR`);
  });

  test.each(["placement.conf", "placement.conf.d"])(
    "what is there but cannot be seen is an error, not an absence: %s behind a link to itself",
    (name) => {
      // As with a folder of rights 0750, but so that the superuser is stopped, too.
      mkdirSync(join(root, "etc"), { recursive: true });
      symlinkSync("placement", join(root, "etc/placement"));
      if (name === "placement.conf.d") write("home/placement.conf", CONNECTION);
      expect(() => load()).toThrow(
        new ConfigError(
          `${join(root, "etc/placement", name)}: it cannot be told what is there: ELOOP`,
        ),
      );
    },
  );

  test.each(["etc/placement/placement.conf", "etc/placement"])(
    "a link that leads nowhere is an error, not an absence: %s",
    (link) => {
      mkdirSync(dirname(join(root, link)), { recursive: true });
      symlinkSync("/nowhere/else", join(root, link));
      expect(() => load()).toThrow(`${join(root, link)}: the link leads nowhere`);
    },
  );

  test("a file that is not UTF-8 is an error", () => {
    const file = write("placement.conf", "");
    writeFileSync(file, Buffer.from([0x5b, 0xff]));
    expect(() => load({ configFiles: [file] })).toThrow(`${file}: is not a text in UTF-8`);
  });

  test("files named in options are looked for beside the configuration first", () => {
    const file = write("own/placement.conf", CONNECTION);
    write("parts/x.conf", "");
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

  test.each([
    ["keystone_authtoken", "auth_url", "http://u:pa$word@h"],
    ["placement_database", "connection_parameters", "password=pa$word"],
    ["cors", "allowed_origin", "https://u:pa$word@h"],
  ])("nor is one in any other option: [%s] %s", (group, name, value) => {
    expect(() => loadText(`${CONNECTION}[${group}]\n${name} = ${value}`)).toThrow(
      /a name after \$ stands for(?!.*word@)/,
    );
  });

  test("a URL where something else belongs is shown without its password", () => {
    expect(() => loadText(`${CONNECTION}[stowage]\nport = http://u:secret@h`)).toThrow(
      'but is "http://***@h"',
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

  test("a configuration without a database is an error that names the files and variables read", () => {
    expect(() => loadText("[stowage]\nport = 1", { OS_API__AUTH_STRATEGY: "noauth2" })).toThrow(
      new ConfigError(
        `[placement_database] connection is not set in what was read: ${join(root, "placement.conf")}, ` +
          "OS_API__AUTH_STRATEGY; write it to the configuration file or set " +
          "OS_PLACEMENT_DATABASE__CONNECTION (for a first look without configuration: stowage serve --demo)",
      ),
    );
  });

  test("an unknown option of a known group is a warning, an unknown group is not", () => {
    const { warnings } = loadText(
      `${CONNECTION}conection = x\n[oslo_concurrency]\nlock_path = x\n[default]\ndebug = true\n[DEFAULT]\nDebug = true`,
      { OS_API__STRATEGY: "x", OS_NOVA__REGION: "x", OS_AUTH_URL: "x" },
    );
    const file = join(root, "placement.conf");
    expect(warnings).toEqual([
      `${file}:3: [placement_database] conection is unknown and has no effect`,
      `${file}:9: [DEFAULT] Debug is unknown and has no effect`,
      "environment variable OS_API__STRATEGY: [api] strategy is unknown and has no effect",
      `${file}:7: [default] is unknown and has no effect; is [DEFAULT] meant?`,
    ]);
  });

  test("a group that means something elsewhere, but nothing here, is one warning", () => {
    const { warnings } = loadText(
      `${CONNECTION}[profiler]\nenabled = true\nhmac_keys = x\n[healthcheck]\nbackends = x\n[audit_middleware_notifications]\ndriver = log`,
      { OS_CACHE__ENABLED: "true", OS_PROFILER__ENABLED: "true" },
    );
    const file = join(root, "placement.conf");
    expect(warnings).toEqual([
      `${file}:4: [profiler] has no effect: requests are not traced with OSprofiler`,
      `${file}:7: [healthcheck] has no effect: GET / tells whether the service is there`,
      `${file}:9: [audit_middleware_notifications] has no effect: no audit events are sent; see the table stowage_changes`,
      "environment variable OS_CACHE__ENABLED: [cache] has no effect: validated tokens are cached in the memory of the process",
    ]);
  });

  test("a misspelt group is a warning that names the one that may be meant", () => {
    const { warnings } = loadText(
      `${CONNECTION}[placement-database]\nmax_retries = 1\n[keystone_authtokn]\npassword = x\n[DEFUALT]\ndebug = 1`,
      { OS_STOWGE__PORT: "1" },
    );
    const file = join(root, "placement.conf");
    expect(warnings).toEqual([
      `${file}:4: [placement-database] is unknown and has no effect; is [placement_database] meant?`,
      `${file}:6: [keystone_authtokn] is unknown and has no effect; is [keystone_authtoken] meant?`,
      `${file}:8: [defualt] is unknown and has no effect; is [DEFAULT] meant?`,
      "environment variable OS_STOWGE__PORT: [stowge] is unknown and has no effect; is [stowage] meant?",
    ]);
  });

  test.each(["OS_API_AUTH_STRATEGY", "os_api__auth_strategy", "OS_api__AUTH_STRATEGY"])(
    "a variable that is almost spelt right is a warning: %s",
    (variable) => {
      const { warnings, config } = loadText(CONNECTION, { [variable]: "noauth2" });
      expect(config.api.authStrategy).toBe("keystone");
      expect(warnings).toEqual([
        `environment variable ${variable} is not read: it must be OS_<GROUP>__<OPTION>, in capitals`,
      ]);
    },
  );

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

  test("variables of [stowage] alone change nothing but what they say", () => {
    const environment = { OS_STOWAGE__PORT: "1234", OS_STOWAGE__PROT: "1" };
    const { config, ...loaded } = load({ environment });
    expect(loaded).toMatchObject({
      isZeroConfig: true,
      variables: ["OS_STOWAGE__PORT", "OS_STOWAGE__PROT"],
      warnings: [expect.stringContaining("[stowage] prot is unknown")],
    });
    expect(config.api.authStrategy).toBe("noauth2");
    expect(config.stowage.port).toBe(1234);
  });

  test.each([
    "OS_PLACEMNT_DATABASE__CONNECTION",
    "OS_STOWGE__PORT",
    "OS_PLACEMENT_DATABASE_CONNECTION",
    "os_api__auth_strategy",
    "OS_OTHER_SERVICE__OPTION",
  ])("a variable that may be a misspelt one ends the defaults: %s", (variable) => {
    expect(() => load({ environment: { [variable]: "x" } })).toThrow(
      `[placement_database] connection is not set in what was read: ${variable};`,
    );
  });

  test("variables of OpenStack's clients are none of ours", () => {
    const environment = { OS_AUTH_URL: "x", OS_CLOUD: "x", OS_PLACEMENT_API_VERSION: "1.39" };
    expect(load({ environment })).toMatchObject({ isZeroConfig: true, warnings: [] });
  });

  test.each([{ NOTIFY_SOCKET: "/run/systemd/notify" }, { INVOCATION_ID: "1" }])(
    "nothing is assumed under a service manager: %j",
    (environment) => {
      expect(() => load({ environment })).toThrow(/there is no configuration.*--config-file/);
      expect(load({ environment, isDemo: true }).isZeroConfig).toBe(true);
    },
  );

  test("a terminal that systemd has started is no service", () => {
    const environment = { INVOCATION_ID: "1" };
    expect(load({ environment, isInteractive: true }).isZeroConfig).toBe(true);
  });

  test("--demo takes no notice of files, variables and policy files", () => {
    write("etc/placement/placement.conf", "[nonsense");
    const environment = { OS_API__AUTH_STRATEGY: "keystone", OS_STOWAGE__HOST: "0.0.0.0" };
    const loaded = load({ environment, isDemo: true, overrides: { stowage: { port: 1 } } });
    expect(loaded).toMatchObject({ sources: [], variables: [], directories: [], warnings: [] });
    expect(loaded).toMatchObject({
      isZeroConfig: true,
      config: { api: { authStrategy: "noauth2" }, stowage: { host: "127.0.0.1", port: 1 } },
    });
  });

  test("--demo and a configuration that is named contradict each other", () => {
    const file = write("placement.conf", CONNECTION);
    expect(() => load({ isDemo: true, configFiles: [file] })).toThrow("--demo reads no config");
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
