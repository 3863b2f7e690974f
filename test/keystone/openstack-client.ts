import { execFile, spawnSync } from "node:child_process";

const CLIENT = "/usr/bin/openstack";

/** Whether Debian's packages are there; `scripts/install-for-tests.sh` installs them. */
export const isClientInstalled =
  spawnSync("/usr/bin/python3", ["-c", "import openstackclient, osc_placement"]).status === 0;

export interface ClientUser {
  readonly authUrl: string;
  readonly region: string;
  readonly user: string;
  /** Both user and project are in the default domain. */
  readonly project: string;
  readonly version: string;
}

/** Runs `openstack` with osc-placement, as people do: a password, and a catalog to look Placement up in. */
export function runClient(who: ClientUser, command: readonly string[]) {
  const options = {
    "auth-type": "password",
    "auth-url": who.authUrl,
    username: who.user,
    password: `${who.user}-password`,
    "user-domain-id": "default",
    "project-name": who.project,
    "project-domain-id": "default",
    "region-name": who.region,
    "placement-api-version": who.version,
  };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--os-${name}`, value]);
  return new Promise<{ readonly code: number; readonly errors: string }>((resolve) => {
    execFile(CLIENT, [...flags, ...command], (error, _output, errors) => {
      resolve({ code: error === null ? 0 : Number(error.code), errors: errors.trim() });
    });
  });
}
