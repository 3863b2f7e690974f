/** Writes docs/reference/options.md from the option table: `node scripts/write-options-reference.ts`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { optionsReference } from "../src/config/options-reference.ts";

const page = new URL("../docs/reference/options.md", import.meta.url);
mkdirSync(new URL(".", page), { recursive: true });
writeFileSync(page, optionsReference());
