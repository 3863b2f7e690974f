import { defaultConfig, type LoadedConfig } from "../../config/config.ts";
import { readService, serviceOfRecords } from "../../operations/open-service.ts";
import type { Service } from "../../operations/service.ts";
import type { Terminal } from "../terminal.ts";
import { answerHere } from "./local-service.ts";
import { CannotAsk, ServiceClient, type ServiceAddress } from "./service-client.ts";

/** What a command asks: a service, a database or a snapshot of one. */
export interface SourceOptions extends ServiceAddress {
  /** Reads the configuration that names the database; undefined where none was named. */
  readonly loadConfig?: () => LoadedConfig;
  /** A file that `stowage snapshot` has written. */
  readonly snapshot?: string;
}

/** The rest of a URL of which nobody looks at the beginning. */
const HERE = "http://localhost";

/**
 * Lets a function ask what the options name. A database is only read, whoever else serves it, and needs none of
 * our own tables: what it answers is of the moment at which it was read.
 *
 * @throws CannotAsk, ConfigError, DatabaseUnavailable, SchemaMismatch
 */
export async function withSource<Result>(
  options: SourceOptions,
  terminal: Terminal,
  work: (client: ServiceClient) => Promise<Result>,
): Promise<Result> {
  const { url, token, loadConfig, snapshot } = options;
  const named = { "--url": url, "--config-dir": loadConfig, "--snapshot": snapshot };
  const places = Object.entries(named).filter(([, value]) => value !== undefined);
  if (places.length > 1) {
    throw new CannotAsk(`say ${places.map(([name]) => name).join(" or ")}, not several`);
  }
  if (loadConfig === undefined && snapshot === undefined) {
    return work(new ServiceClient({ url, token }));
  }
  const [service, name] =
    snapshot === undefined
      ? [await openDatabaseOf(loadConfig!(), terminal), "the database"]
      : [await openSnapshot(snapshot), snapshot];
  try {
    const send = answerHere(service, terminal);
    return await work(new ServiceClient({ url: HERE, token: undefined, name, send }));
  } finally {
    await service.close();
  }
}

function openDatabaseOf({ config }: LoadedConfig, { problems }: Terminal): Promise<Service> {
  return readService(config, {
    onAway: ({ message }) =>
      problems.write(`stowage: the database is away: ${message}; waiting for it\n`),
  });
}

async function openSnapshot(path: string): Promise<Service> {
  const { readSnapshot } = await import("./snapshot-file.ts");
  return serviceOfRecords(defaultConfig(), await readSnapshot(path));
}
