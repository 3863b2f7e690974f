/**
 * What a request is for, as the API knows it: path and query, without what leads to the service.
 *
 * @param sent the request target as it came in; a client that takes us for a proxy sends the whole URL
 * @param prefix where the API is mounted, from {@link mountPointOf}
 */
export function requestTarget(sent: string, prefix: string): string {
  const target = sent.startsWith("/") ? sent : sent.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i, "");
  if (prefix === "" || !target.startsWith(prefix)) return target;
  const rest = target.slice(prefix.length);
  return rest === "" || rest.startsWith("/") || rest.startsWith("?") ? rest : target;
}

/** The path of `[stowage] path_prefix` as links begin with it: `/placement`, or nothing. */
export function mountPointOf(pathPrefix: string): string {
  const path = pathPrefix.replace(/^\/+|(?<!\/)\/+$/g, "");
  return path === "" ? "" : `/${path}`;
}
