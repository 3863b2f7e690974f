import { ROUTES } from "../api/routes.ts";
import { PolicyEnforcer } from "../auth/policy/enforcer.ts";
import type { LoadedConfig } from "../config/config.ts";
import { ConfigError } from "../config/config-error.ts";
import { describeConnection, parseConnectionUrl } from "../config/connection-url.ts";
import { startServer } from "../http/server.ts";
import { createLogger, type Logger } from "../observability/logger.ts";
import { keepHouse } from "../operations/housekeeping.ts";
import { openService } from "../operations/open-service.ts";
import type { Service } from "../operations/service.ts";

const LOOPBACK_HOSTS = new Set(["localhost", "127.0.0.1", "::1"]);

/**
 * Serves until SIGTERM or SIGINT, then finishes the requests in flight.
 *
 * @param output where the operator is told what was started
 * @throws ConfigError, SchemaMismatch, DatabaseUnavailable: nothing was started
 * @returns the exit code
 */
export async function serve(loaded: LoadedConfig, output: NodeJS.WritableStream): Promise<number> {
  const { config, warnings, isZeroConfig } = loaded;
  refuseOpenDoors(loaded);
  const logger = createLogger(config.default);
  for (const warning of warnings) logger.warn(warning);
  const policy = PolicyEnforcer.load(loaded, (warning) => logger.warn(warning));
  const service = await openService(config, {
    mayMigrate: isZeroConfig || config.placementDatabase.syncOnStartup,
  });
  try {
    const { host, port } = config.stowage;
    const parts = { config, service, routes: ROUTES, policy, logger, host, port };
    const server = await startServer(parts);
    output.write(greeting(loaded, server.url));
    await keepHouseUntil(askedToStop(), service, logger);
    await server.stop();
  } finally {
    await service.close();
  }
  return 0;
}

async function keepHouseUntil(
  stopped: Promise<void>,
  service: Service,
  logger: Logger,
): Promise<void> {
  const housekeeping = new AbortController();
  const houseIsKept = keepHouse(service, housekeeping.signal, (err) =>
    logger.error({ err }, "Old changes could not be deleted"),
  );
  await stopped;
  housekeeping.abort();
  await houseIsKept;
}

/** `noauth2` believes whatever a client says about itself: it is for this machine alone. */
function refuseOpenDoors({ config }: LoadedConfig): void {
  const { host, allowInsecureNoauth } = config.stowage;
  if (config.api.authStrategy !== "noauth2" || allowInsecureNoauth) return;
  if (LOOPBACK_HOSTS.has(host)) return;
  throw new ConfigError(
    `[api] auth_strategy = noauth2 checks no credentials, so Stowage listens on loopback only, not ` +
      `on ${host}. Set [stowage] host = 127.0.0.1, use auth_strategy = keystone, or say ` +
      "[stowage] allow_insecure_noauth = true.",
  );
}

function greeting({ config, isZeroConfig }: LoadedConfig, url: string): string {
  const { connection, connectionParameters } = config.placementDatabase;
  const database = describeConnection(parseConnectionUrl(connection, connectionParameters));
  const isOpen = config.api.authStrategy === "noauth2";
  const token = isOpen ? "admin" : "$TOKEN";
  return [
    `Stowage is serving the Placement API on ${url}`,
    `  database        ${database}`,
    `  authentication  ${config.api.authStrategy}${isOpen ? " (none: the token is the user's name)" : ""}`,
    `  configuration   ${isZeroConfig ? "none found, defaults for a first look" : "read"}`,
    "Try it:",
    `  curl -H 'X-Auth-Token: ${token}' -H 'OpenStack-API-Version: placement 1.39' \\`,
    `    ${url}/resource_providers`,
    "",
  ].join("\n");
}

function askedToStop(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  return promise;
}
