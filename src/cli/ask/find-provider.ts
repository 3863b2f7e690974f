import { isUuidLike } from "../../domain/uuid.ts";
import { printable } from "../../observability/logger.ts";
import { CannotAsk, type ServiceClient } from "./service-client.ts";

/**
 * The UUID of a provider that is named by it or by its name.
 *
 * @throws CannotAsk there is none
 */
export async function findProvider(service: ServiceClient, provider: string): Promise<string> {
  if (isUuidLike(provider)) return provider;
  const text = await service.ask("GET", "/resource_providers", { query: { name: provider } });
  const answer = service.parse<{
    readonly resource_providers: readonly { readonly uuid: string }[];
  }>(text, ({ resource_providers: found }) => Array.isArray(found));
  const [found] = answer.resource_providers;
  if (!found) throw new CannotAsk(`there is no provider of the name ${printable(provider)}`);
  return found.uuid;
}
