/**
 * The spellings of a UUID that Placement takes: those of Python's `uuid.UUID`, as checked by
 * oslo.utils `is_uuid_like`. Upper case, braces, `urn:`, `uuid:` and any placing of dashes are
 * accepted; what is stored and compared is the canonical spelling.
 */

const CANONICAL = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const THIRTY_TWO_DIGITS = /^[0-9a-f]{32}$/;

export function isUuidLike(text: string): boolean {
  return normalizeUuid(text) !== undefined;
}

/** The canonical spelling, lower case with dashes; `undefined` for what is no UUID. */
export function normalizeUuid(text: string): string | undefined {
  if (CANONICAL.test(text)) return text;
  // The longest sensible spelling is `urn:uuid:{…}`; whatever is much longer is not worth a look.
  if (text.length > 64) return undefined;
  const digits = text
    .replaceAll("urn:", "")
    .replaceAll("uuid:", "")
    .replace(/^[{}]+|(?<![{}])[{}]+$/g, "")
    .replaceAll("-", "")
    .toLowerCase();
  if (!THIRTY_TWO_DIGITS.test(digits)) return undefined;
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20),
  ].join("-");
}

/** The canonical spelling of a UUID, and what is none as it is. */
export function canonicalUuid(text: string): string {
  return normalizeUuid(text) ?? text;
}

/**
 * A UUID as it may be stored, the most likely spelling first: releases of Placement before Rocky stored that
 * of a provider as it was sent, and those of consumers and aggregates are stored so to this day.
 */
export function storedSpellings(uuid: string): readonly string[] {
  const canonical = normalizeUuid(uuid);
  if (canonical === undefined) return [uuid];
  const digits = canonical.replaceAll("-", "");
  const spellings = [uuid, canonical, digits, canonical.toUpperCase(), digits.toUpperCase()];
  return [...new Set(spellings)];
}
