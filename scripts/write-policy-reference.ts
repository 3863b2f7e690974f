/** Writes docs/reference/policy.md from the default rules: `node scripts/write-policy-reference.ts`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { policyReference } from "../src/auth/policy/policy-reference.ts";

const page = new URL("../docs/reference/policy.md", import.meta.url);
mkdirSync(new URL(".", page), { recursive: true });
writeFileSync(page, policyReference());
