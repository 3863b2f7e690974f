import cluster from "node:cluster";
import type { LoadedConfig } from "../../config/config.ts";
import { VERSION } from "../../config/version.ts";
import { describeConnection } from "../../config/connection-url.ts";
import { databaseOf } from "../../config/database-of.ts";
import {
  configuredPlace,
  removeDeadSocket,
  SOCKET_UMASK,
  type ListeningPlace,
} from "../../http/listen.ts";
import { mountPointOf } from "../../http/request-target.ts";
import { Log } from "../../observability/logger.ts";
import { describeOptions } from "./logged-options.ts";
import { refuseOpenDoors } from "./open-doors.ts";
import { oneAtATime, Reloader } from "./reload.ts";
import type { Replica } from "./replica.ts";
import { describeRisks } from "./risks.ts";
import type { Signals } from "./signals.ts";
import { handedOverSockets, ServiceManager } from "./systemd.ts";
import { tellPrimary } from "./worker-messages.ts";
import { OwnMetrics } from "./worker-metrics.ts";
import { checkDatabaseTakesWorkers, configFromPrimary, Workers } from "./workers.ts";

interface ServeRequest {
  readonly signals: Signals;
  /** Reads the configuration: at start, and again on SIGHUP. */
  readonly load: () => LoadedConfig;
  readonly environment: NodeJS.ProcessEnv;
  /** Where the operator is told what was started. */
  readonly output: NodeJS.WritableStream;
}

/**
 * Serves until SIGTERM or SIGINT, then finishes the requests in flight. SIGHUP reads the
 * configuration again.
 *
 * @throws ConfigError, PolicyFileError, SchemaMismatch, DatabaseUnavailable, or what the system says
 * of the address: nothing was started
 * @returns the exit code
 */
export async function serve(request: ServeRequest): Promise<number> {
  const { signals } = request;
  const places = handedOverSockets(request.environment);
  const loaded = cluster.isPrimary ? await prepare(request, places) : await configFromPrimary();
  // A worker that dies has to be replaced whatever has become of the log since the start.
  const log = new Log(loaded.config.default, { isLenient: cluster.isWorker });
  signals.useLog(log);
  const beginning = { loaded, places, log, signals };
  await (cluster.isPrimary ? servePublicly(request, beginning) : serveAsWorker(beginning));
  await log.end();
  return 0;
}

/** Reads and checks the configuration, and clears the way for it. */
async function prepare(
  { load }: ServeRequest,
  places: readonly ListeningPlace[],
): Promise<LoadedConfig> {
  const loaded = load();
  const { config } = loaded;
  checkDatabaseTakesWorkers(config);
  const warned = { ...loaded, warnings: [...loaded.warnings, ...describeRisks(config)] };
  if (places.length > 0) return warned;
  const place = configuredPlace(config);
  if ("host" in place) refuseOpenDoors(config, place);
  await removeDeadSocket(place);
  return warned;
}

interface Beginning {
  readonly loaded: LoadedConfig;
  /** Handed over by systemd; where the configuration says if there are none. */
  readonly places: readonly ListeningPlace[];
  readonly log: Log;
  readonly signals: Signals;
}

/** In one process, or at the head of several. */
async function servePublicly(request: ServeRequest, beginning: Beginning): Promise<void> {
  const { loaded, log, signals } = beginning;
  const { logger } = log;
  const { config } = loaded;
  for (const warning of loaded.warnings) logger.warn(warning);
  if (config.default.logOptions) for (const line of describeOptions(config)) logger.debug(line);
  // The first of several processes makes the sockets, and no other file but the log.
  if (config.stowage.workers > 1 && config.stowage.unixSocket !== undefined) {
    process.umask(SOCKET_UMASK);
  }
  const service = await (config.stowage.workers > 1
    ? startWorkers(beginning)
    : startReplica(beginning));
  const manager = new ServiceManager(request.environment, logger);
  const watchdog = manager.feedWatchdog();
  if (!signals.isStopping) {
    request.output.write(greeting(loaded, service.url));
    followHangUps(request, beginning, service, manager);
  }
  await signals.stopped;
  manager.stopping();
  await service.stop();
  clearInterval(watchdog);
}

/** Says when the service is ready, and reloads it on SIGHUP. */
function followHangUps(
  request: ServeRequest,
  { loaded: { config }, places, log, signals }: Beginning,
  service: Workers | Replica,
  manager: ServiceManager,
): void {
  const status = `Serving on ${service.url}`;
  const reloader = new Reloader(config, () => prepare(request, places), service, log);
  const reload = async () => {
    manager.reloading();
    await reloader.reload();
    manager.ready(status);
  };
  manager.ready(status);
  signals.onHangUp(
    oneAtATime(reload, () =>
      log.logger.info("SIGHUP: the configuration is read once more after it was read"),
    ),
  );
}

async function startReplica({ loaded, places, log, signals }: Beginning): Promise<Replica> {
  // Most of the program, which the first of several processes does without.
  const replica = await import("./replica.ts");
  return replica.Replica.start(loaded, places, log.logger, () => signals.beginToServe());
}

/** When all of them serve, or when it is time to stop: the first may be busy with requests by then. */
async function startWorkers({ loaded, places, log, signals }: Beginning): Promise<Workers> {
  const workers = new Workers(loaded, places.length > 0, log.logger);
  signals.beginToServe();
  await Promise.race([workers.start(), signals.stopped]);
  return workers;
}

/** For the first process, which restarts, replaces and stops this one. */
async function serveAsWorker(beginning: Beginning): Promise<void> {
  const { log, signals } = beginning;
  const replica = await startReplica(beginning);
  signals.onHangUp(() => log.reopen());
  const ownMetrics = new OwnMetrics(replica.metrics);
  void tellPrimary({ kind: "serving", url: replica.url });
  await signals.stopped;
  await replica.stop();
  await ownMetrics.tell();
  // As long as it listens to the first process, it does not end.
  cluster.worker?.disconnect();
}

function greeting(loaded: LoadedConfig, url: string): string {
  const { config } = loaded;
  const { pathPrefix, workers } = config.stowage;
  const database = describeConnection(databaseOf(config));
  const isOpen = config.api.authStrategy === "noauth2";
  // In double quotes, for the shell to fill it in.
  const header = isOpen ? "'X-Auth-Token: admin'" : '"X-Auth-Token: $TOKEN"';
  const base = url + mountPointOf(pathPrefix);
  const target = url.startsWith("unix:")
    ? `--unix-socket ${url.slice("unix:".length)} http://localhost${mountPointOf(pathPrefix)}`
    : base;
  return [
    `Stowage ${VERSION} is serving the Placement API on ${base}`,
    `  database        ${database}`,
    `  authentication  ${config.api.authStrategy}${isOpen ? " (none: the token is the user's name)" : ""}`,
    `  configuration   ${describeSources(loaded)}`,
    ...(workers > 1 ? [`  processes       ${workers}`] : []),
    "Try it:",
    `  curl -H ${header} -H 'OpenStack-API-Version: placement 1.39' \\`,
    `    ${target}/resource_providers`,
    "",
  ].join("\n");
}

function describeSources({ sources, variables, isZeroConfig }: LoadedConfig): string {
  const read = [...sources, ...variables].join(", ");
  if (!isZeroConfig) return read;
  return `none, defaults for a first look${read === "" ? "" : `, and ${read}`}`;
}
