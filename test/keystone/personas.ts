import { inProject, passwordLogin, type Login, type RealKeystone } from "./real-keystone.ts";

interface Made {
  readonly id: string;
}

/** Who comes to see the service, by what they are. */
export const PERSONAS = {
  admin: passwordLogin("admin", inProject("admin")),
  /** The service's own user. */
  placement: passwordLogin("placement", inProject("service")),
  /** Another service; its token is what comes as a service token. */
  nova: passwordLogin("nova", inProject("service")),
  reader: passwordLogin("reader", inProject("demo")),
  /** Has a project but no role of interest. */
  guest: passwordLogin("guest", inProject("demo")),
  unscoped: passwordLogin("stranger", "unscoped"),
  system: passwordLogin("admin", { system: { all: true } }),
  domain: passwordLogin("admin", { domain: { id: "default" } }),
} as const satisfies Record<string, Login>;

export interface Cloud {
  /** The id of the project `demo`. */
  readonly demoId: string;
}

/** Fills an empty Keystone with the personas, and with a catalog that has Placement in it. */
export async function makeCloud(keystone: RealKeystone): Promise<Cloud> {
  const projects = { service: await makeProject("service"), demo: await makeProject("demo") };
  await makeUser("placement", projects.service, ["service", "admin"]);
  await makeUser("nova", projects.service, ["service"]);
  await makeUser("reader", projects.demo, ["reader"]);
  await makeUser("guest", projects.demo, ["guest"]);
  await makeUser("stranger");
  const [admin] = (await keystone.call<{ users: Made[] }>("GET", "/users?name=admin")).users;
  const adminRole = await ensureRole("admin");
  await keystone.call("PUT", `/domains/default/users/${admin?.id}/roles/${adminRole.id}`);
  await makeService("placement", "http://127.0.0.1:8778");
  return { demoId: projects.demo.id };

  async function makeProject(name: string): Promise<Made> {
    const project = { name, domain_id: "default" };
    return (await keystone.call<{ project: Made }>("POST", "/projects", { project })).project;
  }

  async function makeUser(name: string, project?: Made, roles: readonly string[] = []) {
    const account = { name, domain_id: "default", password: `${name}-password` };
    const { user } = await keystone.call<{ user: Made }>("POST", "/users", { user: account });
    for (const roleName of roles) {
      const role = await ensureRole(roleName);
      await keystone.call("PUT", `/projects/${project?.id}/users/${user.id}/roles/${role.id}`);
    }
  }

  async function ensureRole(name: string): Promise<Made> {
    const found = await keystone.call<{ roles: Made[] }>("GET", `/roles?name=${name}`);
    if (found.roles[0]) return found.roles[0];
    return (await keystone.call<{ role: Made }>("POST", "/roles", { role: { name } })).role;
  }

  async function makeService(type: string, url: string): Promise<void> {
    const service = { type, name: type };
    const made = await keystone.call<{ service: Made }>("POST", "/services", { service });
    const endpoint = { service_id: made.service.id, interface: "public", region_id: "here", url };
    await keystone.call("POST", "/endpoints", { endpoint });
  }
}
