import { whatIsMissing } from "./cluster.ts";

const missing = whatIsMissing();
const isDemanded = process.env["STOWAGE_TEST_ENGINES"]?.split(",").includes("galera") ?? false;

if (missing !== undefined && isDemanded) throw new Error(`no tests on Galera: ${missing}`);
if (missing !== undefined) console.warn(`no tests on Galera: ${missing}`);

/** Whether a cluster can be started here. STOWAGE_TEST_ENGINES=galera makes it an error if not. */
export const isUsable = missing === undefined;
