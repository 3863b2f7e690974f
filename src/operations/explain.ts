import type { DatabaseContext } from "../db/change.ts";
import type { RequestContext } from "../domain/request-context.ts";
import { type Explained, explainOn, type ExplainQuestion } from "./explaining.ts";
import type { Service } from "./service.ts";
import { turns } from "./turns.ts";

/**
 * Explains a query for allocation candidates, of all providers as they are now, in slices.
 *
 * @throws HostNotFound, SearchEffortExceeded, TooManySearches
 */
export async function explain(
  service: Service,
  context: DatabaseContext & Pick<RequestContext, "userId">,
  question: ExplainQuestion,
): Promise<Explained> {
  const client = context.userId ?? "";
  const index = await service.freshIndex(context);
  if (!turns.canBegin()) await turns.waitToBegin(client);
  return explainOn(index, client, question, service.config.stowage.maxSearchEffort);
}
