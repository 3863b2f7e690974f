/** Writes docs/reference/metrics.md from the table of series: `node scripts/write-metrics-reference.ts`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { metricsReference } from "../src/observability/metrics-reference.ts";

const page = new URL("../docs/reference/metrics.md", import.meta.url);
mkdirSync(new URL(".", page), { recursive: true });
writeFileSync(page, metricsReference());
