import { badRequest } from "../http-error.ts";

/**
 * A time that a schema has let through, which may still be the 31st of June.
 *
 * @param name of the parameter or member that it stands in
 */
export function readTime(text: string, name: string): Date {
  const time = new Date(text);
  const isThere =
    !Number.isNaN(time.getTime()) && time.toISOString().slice(0, 19) === text.slice(0, 19);
  if (!isThere) throw badRequest(`'${text}' in ${name} is no time.`);
  return time;
}
