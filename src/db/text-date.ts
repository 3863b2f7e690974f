/**
 * Dates as SQLite holds them and as the others take them: the text that SQLAlchemy writes for a DATETIME, such as
 * `2026-11-23 10:00:00.000000`, in UTC without saying so.
 */
export function encodeTextDate(date: Date): string {
  const timeMs = date.getTime();
  if (timeMs !== encodedTimeMs) {
    encodedTimeMs = timeMs;
    encodedText = `${date.toISOString().slice(0, -1).replace("T", " ")}000`;
  }
  return encodedText;
}

/** One transaction has one time for all its rows. */
let encodedTimeMs = Number.NaN;
let encodedText = "";

/**
 * The inverse, to the millisecond; the fraction may be shorter or missing.
 *
 * @returns null for a date that cannot be read, such as MySQL's of only zeros: it is not known, and so
 *   neither old nor new
 */
export function decodeTextDate(text: string | null): Date | null {
  if (text === null) return null;
  const date = new Date(`${text.replace(" ", "T").slice(0, "2026-11-23T10:00:00.000".length)}Z`);
  return Number.isNaN(date.getTime()) ? null : date;
}
