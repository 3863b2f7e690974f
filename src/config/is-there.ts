import { lstatSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Whether there is something at a path. Only what is certainly not there counts as absent: what the
 * system does not let us look at may be there, and a link that leads nowhere was made by somebody
 * who wants something to be there.
 *
 * @throws Error of the file system, naming the path
 */
export function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
    if (isLink(path)) throw new Error(`${path}: the link leads nowhere`, { cause: error });
    const folder = dirname(path);
    // Nor is anything known of what is in a folder whose link leads nowhere.
    if (folder !== path) isThere(folder);
    return false;
  }
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
