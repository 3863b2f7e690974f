import { badRequest, HttpError } from "../api/http-error.ts";
import {
  formatMicroversion,
  listMicroversions,
  MAX_MICROVERSION,
  MIN_MICROVERSION,
  type Microversion,
} from "../api/microversions.ts";
import type { Dialect } from "../api/route.ts";
import { represent } from "../api/validation/python-text.ts";

const VERSIONS: readonly Microversion[] = listMicroversions().map(({ minor }) =>
  Object.freeze({ major: 1, minor }),
);

const VERSION_HEADERS = VERSIONS.map((version) => `placement ${formatMicroversion(version)}`);

/** The value of `OpenStack-API-Version` in the answer. */
export function versionHeader({ minor }: Microversion): string {
  return VERSION_HEADERS[minor] ?? "";
}

/** What a request means that names no version. */
const UNSAID: Readonly<Record<Dialect, Microversion>> = {
  placement: MIN_MICROVERSION,
  stowage: MAX_MICROVERSION,
};

/**
 * The version that a request speaks, from `OpenStack-API-Version: placement X.Y`, as the library
 * microversion_parse reads it: the header may name several services and be repeated, the last one
 * for placement counts; `latest` is the newest version; without a version it is the first one, or the newest
 * in our own dialect.
 *
 * @throws HttpError 400 for what is no version, 406 for one that is not supported
 */
export function negotiate(header: string | string[] | undefined, dialect: Dialect): Microversion {
  if (header === undefined) return UNSAID[dialect];
  const known = KNOWN_HEADERS.get(String(header));
  if (known) return known;
  const text = findVersionText(String(header));
  if (text === undefined) return UNSAID[dialect];
  if (text === "latest") return MAX_MICROVERSION;
  const { major, minor } = parse(text);
  const version = major === 1 ? VERSIONS[minor] : undefined;
  if (version) return version;
  throw new HttpError(406, `Invalid microversion: Unacceptable version header: ${text}`);
}

/** The usual spelling of each version, for which nothing is parsed. */
const KNOWN_HEADERS = new Map(VERSIONS.map((version) => [versionHeader(version), version]));

function findVersionText(header: string): string | undefined {
  for (const element of header.split(",").reverse()) {
    const [, service, text] = /^(\S+)\s+(\S.*)$/s.exec(element.trim()) ?? [];
    if (service?.toLowerCase() === "placement") return text;
  }
  return undefined;
}

function parse(text: string): { major: number; minor: number } {
  const dot = text.indexOf(".");
  if (dot === -1) {
    parseInteger(text, text);
    throw invalid(text, "a version is two numbers with a point between them");
  }
  return {
    major: parseInteger(text.slice(0, dot), text),
    minor: parseInteger(text.slice(dot + 1), text),
  };
}

/** Python's `int()`, within reason. */
function parseInteger(digits: string, text: string): number {
  if (/^\s*\+?[0-9]+\s*$/.test(digits)) return Number(digits);
  throw invalid(text, `invalid literal for int() with base 10: ${represent(digits)}`);
}

function invalid(text: string, reason: string): HttpError {
  return badRequest(`Invalid microversion: invalid version string: ${text}; ${reason}`);
}
