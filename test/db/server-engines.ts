import { test } from "vitest";

import { LEFT_OUT } from "../support/servers.ts";

export { SERVER_ENGINES } from "../support/servers.ts";

// A file that loops over no engine at all has no tests, which would be a failure; and who reads the
// results is to know what is missing in them.
for (const [{ name }, reason] of LEFT_OUT) test.skip(`without tests on ${name}: ${reason}`);
