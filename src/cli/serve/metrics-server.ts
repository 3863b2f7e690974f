import { UNGUARDED_ROUTES } from "../../api/all-routes.ts";
import type { Policy } from "../../http/pipeline.ts";
import { isLoopback } from "../../http/loopback.ts";
import { startServer, type RunningServer } from "../../http/server.ts";

/** Whoever gets to the address may ask: Prometheus has no token. */
const ANYBODY: Policy = { authorize: () => ({ isAllowed: true }) };

/**
 * Serves metrics and health, and nothing else, on the address of their own if there is to be one.
 *
 * @throws CannotListen
 */
export async function startMetricsServer(
  parts: Pick<Parameters<typeof startServer>[0], "config" | "service" | "logger" | "metrics">,
): Promise<RunningServer | undefined> {
  const { stowage } = parts.config;
  const { metricsHost: host, metricsPort: port } = stowage;
  if (port === undefined) return undefined;
  const config = {
    ...parts.config,
    stowage: {
      ...stowage,
      pathPrefix: "",
      // Certificates are for the other address; that this one may be reached, somebody has said.
      tlsCertFile: undefined,
      tlsKeyFile: undefined,
      allowInsecureNoauth: stowage.allowInsecureNoauth || !isLoopback(host),
    },
  };
  const server = await startServer({
    ...parts,
    config,
    routes: UNGUARDED_ROUTES,
    policy: ANYBODY,
    places: [{ host, port }],
  });
  parts.logger.info(`Metrics are served without a token on ${server.url}/metrics`);
  return server;
}
