import type { ChangeRow } from "../domain/change-row.ts";
import { canonicalUuid } from "../domain/uuid.ts";
import { readDetails, type ToldChange } from "../domain/change-details.ts";

/**
 * A change on its way to those who listen; one for all of them, so what is worked out of it is worked out once.
 * With a hundred who listen, each claim is held against two hundred filters.
 */
export class FeedEvent {
  readonly row: ChangeRow;
  /** To go on after this one, as a text; known once somebody wants it. */
  position = "";
  /** What was written of it for one listener is good for all: as JSON, and as a part of a stream. */
  text: string | undefined;
  bytes: Uint8Array | undefined;
  readonly isOfConsumer: boolean;
  readonly isOfProvider: boolean;
  /** Of what it is about, if that has one: canonical, as old releases of Placement have stored what was sent. */
  readonly uuid: string;
  /** What the row tells beyond what has changed, if anything. */
  readonly told: ToldChange | undefined;
  #providers: readonly string[] | undefined;
  #classes: readonly string[] | undefined;
  #areListed = false;

  constructor(row: ChangeRow) {
    this.row = row;
    this.isOfConsumer = row.kind === "consumer" || row.kind === "consumer_deleted";
    this.isOfProvider = row.kind === "provider" || row.kind === "provider_deleted";
    this.uuid = canonicalUuid(row.subject);
    this.told = readDetails(row.kind, row.details);
  }

  /** The UUIDs of the providers of which a consumer held or holds something; undefined where that is not told. */
  get providersHeld(): readonly string[] | undefined {
    this.#list();
    return this.#providers;
  }

  /** The names of the classes of which something has changed; undefined where that is not told. */
  get classes(): readonly string[] | undefined {
    this.#list();
    return this.#classes;
  }

  #list(): void {
    if (this.#areListed) return;
    this.#areListed = true;
    const details = this.told?.details;
    if (!details) return;
    if (details.of === "name") {
      this.#classes = [this.row.subject, ...details.name.flatMap((name) => name ?? [])];
    } else if (details.of === "provider") {
      if (!details.isCut) this.#classes = Object.keys(details.inventories ?? {});
    } else if (details.was && details.now) {
      const { was, now } = details;
      this.#providers = [...new Set([...Object.keys(was), ...Object.keys(now)].map(canonicalUuid))];
      const held = [...Object.values(was), ...Object.values(now)];
      this.#classes = [...new Set(held.flatMap((amounts) => Object.keys(amounts)))];
    }
  }
}
