import { setImmediate } from "node:timers/promises";

import { ALL_ROUTES } from "../../api/all-routes.ts";
import { compileLargeSchemas } from "../../api/validation/schema.ts";
import { PolicyEnforcer } from "../../auth/policy/enforcer.ts";
import type { Config, LoadedConfig } from "../../config/config.ts";
import { databaseOf } from "../../config/database-of.ts";
import type { Option } from "../../config/options.ts";
import { VERSION } from "../../config/version.ts";
import { SqliteLock } from "../../db/adapters/sqlite-lock.ts";
import type { ListeningPlace } from "../../http/listen.ts";
import { startServer, type RunningServer } from "../../http/server.ts";
import { Metrics } from "../../observability/metrics.ts";
import type { Logger } from "../../observability/logger.ts";
import { FitGauges } from "../../operations/fit-gauges.ts";
import { keepHouse } from "../../operations/housekeeping.ts";
import { expireLeases } from "../../operations/lease-expiry.ts";
import { openService } from "../../operations/open-service.ts";
import type { Service } from "../../operations/service.ts";
import { loadFitFlavors } from "./fit-flavors.ts";
import { refuseOpenDoors } from "./open-doors.ts";
import { startMetricsServer } from "./metrics-server.ts";
import type { Reloadable } from "./reload.ts";

/** What {@link Replica.stop} may take beyond `[stowage] shutdown_timeout`: closing the database. */
const CLOSING_MS = 5000;

/** One process that serves the API: its service, its server and its housekeeping. */
export class Replica implements Reloadable {
  readonly #service: Service;
  readonly #server: RunningServer;
  readonly #metricsServer: RunningServer | undefined;
  readonly #logger: Logger;
  readonly #housekeeping: Housekeeping;
  readonly #lock: SqliteLock | undefined;
  #shutdownTimeout: number;

  private constructor(
    service: Service,
    servers: { readonly main: RunningServer; readonly metrics: RunningServer | undefined },
    logger: Logger,
    lock: SqliteLock | undefined,
    gauges: FitGauges | undefined,
  ) {
    this.#lock = lock;
    this.#service = service;
    this.#server = servers.main;
    this.#metricsServer = servers.metrics;
    this.#logger = logger;
    this.#housekeeping = new Housekeeping(service, logger, gauges);
    this.#shutdownTimeout = service.config.stowage.shutdownTimeout;
  }

  /**
   * Starts to serve.
   *
   * @param places where to listen; where the configuration says if there are none
   * @param beforeServing is called right before the first request can come
   * @throws ConfigError, PolicyFileError, SchemaMismatch, DatabaseUnavailable, or what the system
   * says of the address
   */
  static async start(
    loaded: LoadedConfig,
    places: readonly ListeningPlace[],
    logger: Logger,
    beforeServing: () => void,
  ): Promise<Replica> {
    const lock = lockDatabaseFile(loaded.config);
    try {
      return await Replica.#startOn(lock, loaded, places, logger, beforeServing);
    } catch (error) {
      lock?.release();
      throw error;
    }
  }

  static async #startOn(
    lock: SqliteLock | undefined,
    loaded: LoadedConfig,
    places: readonly ListeningPlace[],
    logger: Logger,
    beforeServing: () => void,
  ): Promise<Replica> {
    const { config, isZeroConfig } = loaded;
    const policy = loadPolicy(loaded, logger);
    const flavors = loadFitFlavors(loaded);
    const metrics = Metrics.ofProcess();
    const service = await openService(config, {
      metrics,
      logger,
      mayMigrate: isZeroConfig || config.placementDatabase.syncOnStartup,
    });
    const labels = {
      version: VERSION,
      node: process.version,
      database: service.database.adapter.engine,
    };
    metrics.watch("stowage_build_info", labels, () => 1);
    let metricsServer: RunningServer | undefined;
    try {
      metricsServer = await startMetricsServer({ config, service, logger, metrics });
      beforeServing();
      const server = await startServer({
        config,
        service,
        routes: ALL_ROUTES,
        policy,
        logger,
        metrics,
        ...(places.length > 0 && { places }),
        checkAddress: (address) => refuseOpenDoors(config, address),
      });
      const gauges =
        flavors.size > 0
          ? new FitGauges(service, flavors, metrics, (problem) => logger.warn(problem))
          : undefined;
      const servers = { main: server, metrics: metricsServer };
      return new Replica(service, servers, logger, lock, gauges);
    } catch (error) {
      await metricsServer?.stop();
      await service.close();
      throw error;
    }
  }

  get metrics(): Metrics {
    return this.#server.metrics;
  }

  get url(): string {
    return this.#server.url;
  }

  /**
   * Takes over what can be changed while requests are served.
   *
   * @throws ConfigError, PolicyFileError: everything stays as it was
   */
  reload(loaded: LoadedConfig): void {
    // It goes on listening where it does, whatever the new configuration says.
    for (const address of this.#server.addresses) refuseOpenDoors(loaded.config, address);
    const policy = loadPolicy(loaded, this.#logger);
    this.#server.reload({ config: loaded.config, policy });
    this.#shutdownTimeout = loaded.config.stowage.shutdownTimeout;
  }

  /** There is one process, whose log has been seen to. */
  reopenLogs(): void {}

  isReadAtStart({ definition: { takesEffect } }: Option): boolean {
    return takesEffect === "restart";
  }

  /** Finishes the requests in flight and lets go of the database. Ends the process if that hangs. */
  async stop(): Promise<void> {
    const limit = setTimeout(
      () => {
        this.#logger.error("The database could not be closed in time");
        process.exit(1);
      },
      this.#shutdownTimeout * 1000 + CLOSING_MS,
    );
    await Promise.all([this.#server.stop(), this.#metricsServer?.stop()]);
    await this.#housekeeping.stop();
    await this.#service.close();
    this.#lock?.release();
    clearTimeout(limit);
  }
}

/** Does, once it is served, what the first request that needs it would have to wait for. */
async function becomeWarm(signal: AbortSignal): Promise<void> {
  for (const _ of compileLargeSchemas()) {
    await setImmediate();
    if (signal.aborted) return;
  }
}

/** @throws DatabaseUnavailable another process serves from the file */
function lockDatabaseFile(config: Config): SqliteLock | undefined {
  const settings = databaseOf(config);
  if (settings.engine !== "sqlite" || settings.file === ":memory:") return undefined;
  return new SqliteLock(settings.file);
}

function loadPolicy(loaded: LoadedConfig, logger: Logger): PolicyEnforcer {
  return PolicyEnforcer.load(loaded, (warning) => logger.warn(warning));
}

class Housekeeping {
  readonly #controller = new AbortController();
  readonly #finished: Promise<unknown>;

  constructor(service: Service, logger: Logger, gauges: FitGauges | undefined) {
    const { signal } = this.#controller;
    this.#finished = Promise.all([
      keepHouse(service, signal, (err) =>
        logger.error({ err }, "Old changes could not be deleted"),
      ),
      service.config.stowage.history
        ? service.history.run(signal, (err) =>
            logger.error({ err }, "The history could not be made from the change feed"),
          )
        : undefined,
      gauges?.run(signal),
      service.config.stowage.expireLeases &&
        expireLeases(service, signal, {
          onOutage: (outageMs) =>
            logger.warn(
              `Nobody has served for ${Math.round(outageMs / 1000)} s: all leases last longer by that`,
            ),
          onFailure: (err) =>
            logger.error({ err }, "Leases that have ended could not be taken back"),
        }),
      becomeWarm(signal),
    ]);
  }

  async stop(): Promise<void> {
    this.#controller.abort();
    await this.#finished;
  }
}
