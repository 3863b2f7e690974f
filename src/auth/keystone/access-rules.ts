import type { RequestTarget } from "../authenticator.ts";

/** A request that a restricted application credential is good for. */
export interface AccessRule {
  /** A service type, such as `placement`. */
  readonly service: string;
  readonly method: string;
  /**
   * A path in which `*` and `{name}` stand for one segment or a part of one, `**` for anything.
   * What else stands there is meant as it is written.
   */
  readonly path: string;
}

/** Whether one of the rules admits a request to a service of this type. */
export function isAdmitted(
  rules: readonly AccessRule[],
  serviceType: string,
  target: RequestTarget,
): boolean {
  const path = normalPath(target.path);
  if (path === undefined) return false;
  return rules.some(
    (rule) =>
      rule.service === serviceType && rule.method === target.method && matchesPath(rule.path, path),
  );
}

/** Of a pattern: `**`, `*` or `{name}`, text. A brace that stands alone counts for nothing. */
const PARTS = /(?<anything>\*\*)|(?<segment>\*|\{[^{}]*\})|(?<text>[^{}*]+)/g;

/**
 * Follows all readings of the pattern at once, because users write patterns: a regular expression
 * made of one such as `{a}{b}{c}…` would take for ever to find that it does not match.
 */
function matchesPath(pattern: string, path: string): boolean {
  // Whether the path can be read as the pattern so far, up to each of its places.
  let reached: readonly boolean[] = [true, ...Array<boolean>(path.length).fill(false)];
  for (const { groups = {} } of pattern.matchAll(PARTS)) {
    const { anything, text } = groups;
    reached =
      text === undefined
        ? afterWildcard(reached, path, anything !== undefined)
        : reached.map((_, at) => reached[at - text.length] === true && path.endsWith(text, at));
  }
  return reached.at(-1) === true;
}

function afterWildcard(
  before: readonly boolean[],
  path: string,
  isAnything: boolean,
): readonly boolean[] {
  let isInside = false;
  return before.map((isReached, at) => {
    isInside = isAnything
      ? isInside || isReached
      : (isInside || before[at - 1] === true) && path[at - 1] !== "/";
    return isInside;
  });
}

/**
 * One spelling for each path, that of WebOb: only what must be percent-encoded is, so that an
 * encoded letter neither misses a rule nor slips past one. `undefined` for what is not UTF-8.
 */
function normalPath(path: string): string | undefined {
  try {
    return encodeURI(decodeURIComponent(path)).replace(/[?#]/g, encodeURIComponent);
  } catch {
    return undefined;
  }
}
