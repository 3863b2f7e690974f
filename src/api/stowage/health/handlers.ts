import type { ApiRequest } from "../../request.ts";
import { json, type ApiResponse } from "../../response.ts";

/** Answers while the event loop turns, whatever has become of the database. */
export function getLiveness(): ApiResponse {
  return json(200, { status: "alive" });
}

/** Whether requests can be answered. What is wrong is told to those only who may know. */
export async function getReadiness(request: ApiRequest): Promise<ApiResponse> {
  const [problems, mayKnow] = await Promise.all([
    request.service.readiness.ask(),
    request.recognize("stowage:health"),
  ]);
  const describe = (problem: string | undefined) => ({
    is_ok: problem === undefined,
    ...(mayKnow && problem !== undefined && { detail: problem }),
  });
  const isReady = Object.values(problems).every((problem) => problem === undefined);
  return json(isReady ? 200 : 503, {
    status: isReady ? "ready" : "not ready",
    checks: {
      database: describe(problems.database),
      schema: describe(problems.schema),
      read_model: describe(problems.read_model),
    },
  });
}
