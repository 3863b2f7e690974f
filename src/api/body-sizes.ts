import type { Config } from "../config/config.ts";

/** How many bytes bodies may have. */
export interface BodySizes {
  /** Of a route that takes what concerns one provider or consumer. */
  readonly small: number;
  /** Of a route that takes what concerns many. */
  readonly largest: number;
}

export function bodySizesOf({ stowage }: Pick<Config, "stowage">): BodySizes {
  const { maxBodySize, maxSmallBodySize } = stowage;
  return { small: Math.min(maxSmallBodySize, maxBodySize), largest: maxBodySize };
}
