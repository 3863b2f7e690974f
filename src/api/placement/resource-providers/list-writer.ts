import type { ProviderListing } from "../../../operations/provider-listing.ts";
import { SLICE_MS } from "../../../scheduling/pace.ts";
import type { ApiRequest } from "../../request.ts";
import type { SlicedWriter } from "../../sliced-answer.ts";
import { ByteWriter } from "../byte-writer.ts";
import { isPlainUuid } from "../row-texts.ts";
import { ProviderHeads } from "./provider-heads.ts";
import { renderProvider } from "./rendering.ts";
import { type ProviderTemplate, ProviderTemplates } from "./provider-templates.ts";

/** A slice ends after so many bytes, too. */
const SLICE_BYTES = 1024 * 1024;
/** So that an answer of usual size is one slice. */
const FIRST_SLICE_MS = 4;
/** The clock is looked at after so many providers. */
const PROVIDERS_BY_CLOCK = 256;

/** Writes the answer to `GET /resource_providers` from the read model, a slice at a time. */
export class ProviderListWriter implements SlicedWriter {
  readonly #listing: ProviderListing;
  readonly #request: Asked;
  readonly #heads: ProviderHeads;
  readonly #templates: ProviderTemplates;
  readonly #out = new ByteWriter();
  #written = 0;
  #isDone = false;
  #sliceMs = FIRST_SLICE_MS;

  constructor(listing: ProviderListing, request: Asked) {
    this.#listing = listing;
    this.#request = request;
    this.#heads = ProviderHeads.for(listing.providers);
    this.#templates = ProviderTemplates.for(request);
    this.#out.text('{"resource_providers":');
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get length(): number {
    return this.#out.length;
  }

  take(): Uint8Array {
    return this.#out.take();
  }

  writeSlice(): void {
    const endsAtMs = performance.now() + this.#sliceMs;
    this.#sliceMs = SLICE_MS;
    const rows = this.#listing.find(endsAtMs);
    if (rows) this.#write(rows, endsAtMs, this.#out.length + SLICE_BYTES);
  }

  #write(rows: Int32Array, endsAtMs: number, endOfSlice: number): void {
    while (this.#written < rows.length && this.#out.length < endOfSlice) {
      const start = this.#out.length;
      this.#writeProvider(rows[this.#written]!);
      // Everything is written after a comma; the first has a bracket instead.
      if (this.#written === 0) this.#out.overwrite(start, "[".charCodeAt(0));
      this.#written += 1;
      if (this.#written % PROVIDERS_BY_CLOCK === 0 && performance.now() > endsAtMs) break;
    }
    if (this.#written < rows.length) return;
    this.#out.text(rows.length === 0 ? "[]}" : "]}");
    this.#isDone = true;
  }

  #writeProvider(row: number): void {
    const { providers } = this.#listing;
    const heads = this.#heads;
    const isKept = heads.has(row) || heads.render(row);
    const isAlone = providers.isRoot(row);
    const parentUuid = isAlone ? undefined : providers.parentUuidOf(row);
    const rootUuid = isAlone ? providers.uuidOf(row) : providers.rootUuidOf(row);
    if (
      heads.hasOddUuid(row) ||
      (!isAlone && !(isPlainUuid(rootUuid) && isPlainUuid(parentUuid ?? rootUuid)))
    ) {
      this.#out.text(this.#spell(row));
      return;
    }
    if (isKept) this.#out.copy(heads.bytes, heads.startOf(row), heads.endOf(row));
    else this.#out.text(heads.textOf(row));
    const template = parentUuid === undefined ? this.#templates.alone : this.#templates.child;
    const base = this.#out.length;
    this.#out.copy(template.bytes, 0, template.bytes.length);
    this.#fillOwn(template, base, row, isKept);
    if (template.root === undefined) return;
    if (isAlone && isKept) {
      this.#out.overwriteUuid(base + template.root, heads.view, heads.uuidOf(row));
    } else {
      this.#out.overwriteText(base + template.root, rootUuid);
    }
    if (template.parent !== undefined && parentUuid !== undefined) {
      this.#out.overwriteText(base + template.parent, parentUuid);
    }
  }

  #fillOwn({ self }: ProviderTemplate, base: number, row: number, isKept: boolean): void {
    const heads = this.#heads;
    for (const place of self) {
      if (isKept) this.#out.overwriteUuid(base + place, heads.view, heads.uuidOf(row));
      else this.#out.overwriteText(base + place, this.#listing.providers.uuidOf(row));
    }
  }

  /** The slow way, for UUIDs that do not fit the holes. */
  #spell(row: number): string {
    const { providers } = this.#listing;
    const provider = {
      uuid: providers.uuidOf(row),
      name: providers.nameOf(row),
      generation: providers.generationOf(row),
      parentProviderUuid: providers.parentUuidOf(row) ?? null,
      rootProviderUuid: providers.rootUuidOf(row),
    };
    return `,${JSON.stringify(renderProvider(this.#request, provider))}`;
  }
}

type Asked = Pick<ApiRequest, "microversion" | "query" | "mountPoint">;
