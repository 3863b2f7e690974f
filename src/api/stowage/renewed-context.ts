import type { ApiRequest } from "../request.ts";

/** The context of a request that is answered in many steps, each of which has the time of a new one. */
export function renewedContext(request: ApiRequest): ApiRequest["context"] {
  request.renewDeadline();
  return request.context;
}
