import type { ProviderRows } from "../../../operations/allocation-candidates.ts";
import { RowTexts } from "../row-texts.ts";

/** Those of 250,000 providers. */
const MAX_BYTES = 32 * 1024 * 1024;

const BEFORE_UUID = ',{"uuid":"';

type Providers = Pick<
  ProviderRows,
  "uuidOf" | "nameOf" | "generationOf" | "changesOf" | "endOfRows"
>;

/**
 * What the text of a provider in a list begins with, `,{"uuid":"…","name":"…","generation":…,"links":`,
 * which is the same in all microversions and under all prefixes of paths.
 */
export class ProviderHeads extends RowTexts {
  static readonly #heads = new WeakMap<Providers, ProviderHeads>();

  readonly #providers: Providers;

  private constructor(providers: Providers) {
    super(providers, MAX_BYTES, BEFORE_UUID.length);
    this.#providers = providers;
  }

  /** As kept from earlier answers; to be asked for by each answer anew. */
  static for(providers: Providers): ProviderHeads {
    const heads = ProviderHeads.#heads.get(providers) ?? new ProviderHeads(providers);
    ProviderHeads.#heads.set(providers, heads);
    heads.refresh();
    return heads;
  }

  override textOf(row: number): string {
    const uuid = JSON.stringify(this.#providers.uuidOf(row)).slice(1);
    const name = JSON.stringify(this.#providers.nameOf(row));
    const generation = this.#providers.generationOf(row);
    return `${BEFORE_UUID}${uuid},"name":${name},"generation":${generation},"links":`;
  }
}
