import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

import { QUERY_LIMITS } from "../../src/api/query-limits.ts";
import { ROOT } from "../source-files.ts";
import { freePort } from "../support/free-ports.ts";
import { makeFolder, startHere } from "../support/stowage.ts";
import { askAt, until } from "./support.ts";

// The samples in `deploy`, in front of a service, in the proxies that they are for;
// `scripts/install-for-tests.sh` installs these.

interface Proxy {
  readonly program: string;
  readonly sample: string;
  /** What the sample is to be included in. */
  readonly frame: (sample: string, folder: string) => string;
  readonly args: (configFile: string) => readonly string[];
}

const PROXIES: readonly Proxy[] = [
  {
    program: "nginx",
    sample: "nginx.conf",
    frame: (sample, folder) => `
      pid ${folder}/pid; error_log stderr; daemon off; events {}
      http { access_log off; include ${sample}; ${NGINX_FOLDERS(folder)} }`,
    args: (configFile) => ["-c", configFile],
  },
  {
    program: "haproxy",
    sample: "haproxy.cfg",
    frame: (sample) => `
global
    tune.bufsize 65536
defaults
    timeout connect 5s
    timeout client 60s
    timeout server 60s
${readFileSync(sample, "utf8")}`,
    args: (configFile) => ["-db", "-f", configFile],
  },
  {
    program: "apache2",
    sample: "apache.conf",
    frame: (sample, folder) => `
ServerRoot ${folder}
ServerName localhost
PidFile ${folder}/pid
ErrorLog ${folder}/errors
Listen 8080
${["mpm_event", "authz_core", "proxy", "proxy_http", "headers"]
  .map((name) => `LoadModule ${name}_module ${APACHE_MODULES}/mod_${name}.so`)
  .join("\n")}
Include ${sample}
`,
    args: (configFile) => ["-D", "FOREGROUND", "-f", configFile],
  },
];

const NGINX_FOLDERS = (folder: string) =>
  ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(" ");

const APACHE_MODULES = "/usr/lib/apache2/modules";

function isInstalled(program: string): boolean {
  return spawnSync("which", [program]).status === 0;
}

/** Starts a proxy with its sample, in front of a service that trusts it. */
async function startBehind({ program, sample, frame, args }: Proxy) {
  const stowage = await startHere({
    osloMiddleware: { enableProxyHeadersParsing: true },
    // A proxy lets others in.
    stowage: { pathPrefix: "/placement", allowInsecureNoauth: true },
  });
  onTestFinished(() => stowage.stop());
  const folder = await makeFolder();
  onTestFinished(() => folder.remove());
  const port = String(await freePort());
  const fill = (text: string) =>
    text.replaceAll("127.0.0.1:8778", new URL(stowage.client.url).host).replaceAll("8080", port);
  const sampleFile = join(folder.path, sample);
  writeFileSync(sampleFile, fill(readFileSync(join(ROOT, "deploy", sample), "utf8")));
  const configFile = join(folder.path, "frame.conf");
  writeFileSync(configFile, fill(frame(sampleFile, folder.path)));
  const child = spawn(program, args(configFile), { stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  const url = `http://127.0.0.1:${port}`;
  await until(() =>
    askAt(`${url}/placement`).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  return { stowage, url };
}

for (const proxy of PROXIES) {
  describe.skipIf(!isInstalled(proxy.program))(`behind ${proxy.program}`, () => {
    test("links lead to the proxy, and paths arrive as they were sent", async () => {
      const { stowage, url } = await startBehind(proxy);
      const created = await askAt(
        `${url}/placement/resource_providers`,
        {
          method: "POST",
          headers: {
            host: "cloud.example.org",
            "x-forwarded-host": "forged",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-prefix": "/forged",
            forwarded: "host=forged",
          },
        },
        '{"name": "a"}',
      );
      expect(created.headers["location"]).toMatch(
        /^http:\/\/cloud\.example\.org\/placement\/resource_providers\/[0-9a-f-]{36}$/,
      );
      expect(stowage.log.at(-1)).toContain(' 127.0.0.1 "POST /placement/resource_providers" ');

      const strange = await askAt(`${url}/placement/traits/%43USTOM_A%2FB?x=%2F`);
      expect(strange.status).toBe(404);
      expect(stowage.log.at(-1)).toContain('"GET /placement/traits/%43USTOM_A%2FB?x=%2F" ');
      expect((await askAt(`${url}/placement`)).status).toBe(200);
      expect((await askAt(`${url}/placements`)).status).toBe(404);
    });

    test("long requests for candidates get through", async () => {
      const { url } = await startBehind(proxy);
      // 12 KB, more than proxies let through unless they are told to.
      const groups = Array.from(
        { length: QUERY_LIMITS.groups.most },
        (_, at) => `resources_${String(at).padStart(63, "0")}=VCPU:1`,
      );
      const query = [...groups, "group_policy=none"].join("&");
      const { status } = await askAt(`${url}/placement/allocation_candidates?${query}`, {
        headers: { "openstack-api-version": "placement 1.39" },
      });
      expect(status).toBe(200);
    });
  });
}
