import { createRequire } from "node:module";

const PACKAGE = createRequire(import.meta.url)("../../package.json") as { version: string };

/** Of this release, such as `1.2.0`. */
export const VERSION: string = PACKAGE.version;
