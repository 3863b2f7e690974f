import { deleteName, findName, insertName } from "../db/names.ts";
import {
  getProviderAt,
  getProviderByUuid,
  incrementProviderGeneration,
} from "../db/resource-providers.ts";
import {
  deleteProviderTraits,
  findTraits,
  insertProviderTraits,
  isTraitInUse,
  listTraitsOfProvider,
} from "../db/traits.ts";
import type { WriteTransaction } from "../db/transaction.ts";
import { made, removed, type AddedAndRemoved } from "../domain/change-details.ts";
import {
  ResourceProviderConcurrentUpdateDetected,
  TraitCannotDeleteStandard,
  TraitInUse,
  TraitNotFound,
} from "../domain/errors.ts";
import type { NamedRecord } from "../domain/provider-record.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { ResourceProvider } from "../domain/resource-provider.ts";
import type { IndexReader } from "../index/reader.ts";
import { TreeScan } from "../index/tree-scan.ts";
import { inSlices } from "./in-slices.ts";
import { recordProvider } from "./provider-details.ts";
import type { Service } from "./service.ts";

/** The beginning of names that are not standard. */
const CUSTOM_NAMESPACE = "CUSTOM_";

export interface TraitFilter {
  readonly names?: readonly string[] | undefined;
  readonly prefix?: string | undefined;
  /** Whether some provider has the trait. */
  readonly isAssociated?: boolean | undefined;
}

/** In the order of their ids. What is the same name is up to the engine. */
export async function listTraits(
  service: Service,
  context: RequestContext,
  { names, prefix, isAssociated }: TraitFilter,
): Promise<readonly NamedRecord[]> {
  const index = await service.freshIndex(context);
  const traits =
    names === undefined && prefix === undefined
      ? index.traits.list()
      : await service.database.reader(context, (tx) => findTraits(tx, { names, prefix }));
  if (isAssociated === undefined) return traits;
  return inSlices(index, context.userId ?? "", associatedAmong(index, traits, isAssociated));
}

/** So many traits are looked at between two pauses. */
const TRAITS_BY_STEP = 64;

function* associatedAmong(
  index: IndexReader,
  traits: readonly NamedRecord[],
  isAssociated: boolean,
): Generator<void, NamedRecord[]> {
  const { time } = index;
  const found: NamedRecord[] = [];
  for (const [place, trait] of traits.entries()) {
    if ((yield* isAnywhere(index, time, trait.id)) === isAssociated) found.push(trait);
    if (place % TRAITS_BY_STEP === 0) yield;
  }
  return found;
}

/** Whether any provider has a trait; some trees that had it may be of the past. */
function* isAnywhere(index: IndexReader, time: number, traitId: number): Generator<void, boolean> {
  const trees = index.treesOfTrait(traitId);
  if (trees === undefined || trees.size === 0) return false;
  const scan = new TreeScan([[trees]], index.trees.end);
  for (let tree = scan.next(); tree >= 0; tree = scan.next()) {
    if (index.trees.isVisible(tree, time)) return true;
    yield;
  }
  return false;
}

/** @throws TraitNotFound */
export function getTrait(
  service: Service,
  context: RequestContext,
  name: string,
): Promise<NamedRecord> {
  return service.read(context, async (tx) => {
    const trait = await findName(tx, "traits", name);
    if (!trait) throw new TraitNotFound(name);
    return trait;
  });
}

/** Gets a trait, or makes it if there is none. */
export function ensureTrait(
  service: Service,
  context: RequestContext,
  name: string,
): Promise<{ readonly trait: NamedRecord; readonly isNew: boolean }> {
  return service.write(context, async (tx) => {
    const existing = await findName(tx, "traits", name);
    if (existing) return { trait: existing, isNew: false };
    const trait = await insertName(tx, "traits", name);
    tx.recordChange({ kind: "trait", subject: name, details: made(name) });
    return { trait, isNew: true };
  });
}

/** @throws TraitNotFound, TraitCannotDeleteStandard, TraitInUse */
export function deleteTrait(
  service: Service,
  context: RequestContext,
  name: string,
): Promise<void> {
  return service.write(context, async (tx) => {
    const trait = await findName(tx, "traits", name);
    if (!trait) throw new TraitNotFound(name);
    if (!name.startsWith(CUSTOM_NAMESPACE)) throw new TraitCannotDeleteStandard(name);
    if (await isTraitInUse(tx, trait.id)) throw new TraitInUse(name);
    await deleteName(tx, "traits", trait.id);
    tx.recordChange({ kind: "trait_deleted", subject: name, details: removed(name) });
  });
}

/** The traits of a provider at one of its generations. */
interface ProviderTraits {
  readonly generation: number;
  readonly traits: readonly NamedRecord[];
}

/**
 * Replaces the traits of a provider.
 *
 * @param generation the one that the change is based on; `undefined` takes the present one
 * @throws ResourceProviderNotFound, ProviderGenerationConflict, TraitNotFound (naming all that are
 *   missing)
 */
export function setProviderTraits(
  service: Service,
  context: RequestContext,
  providerUuid: string,
  generation: number | undefined,
  names: readonly string[],
): Promise<ProviderTraits> {
  return service.write(context, async (tx, index) => {
    const provider = await getProviderAt(tx, providerUuid, generation);
    const missing = names.filter((name) => index.traits.idOf(name) === undefined);
    if (missing.length > 0) throw new TraitNotFound([...new Set(missing)].join(", "));
    const traits = [...new Set(names)]
      .flatMap((name) => index.traits.get(name) ?? [])
      .sort((left, right) => left.id - right.id);
    const changed = await replaceTraits(tx, provider.id, traits);
    if (!changed) {
      await checkGeneration(tx, provider);
      return { generation: provider.generation, traits };
    }
    const newGeneration = incrementProviderGeneration(tx, provider);
    recordProvider(tx, provider, { generation: newGeneration, traits: changed });
    return { generation: newGeneration, traits };
  });
}

/** @throws ResourceProviderConcurrentUpdateDetected another process has changed it since it was read */
async function checkGeneration(
  tx: WriteTransaction,
  { uuid, generation }: ResourceProvider,
): Promise<void> {
  const { generation: present } = await getProviderByUuid(tx, uuid);
  if (present !== generation) throw new ResourceProviderConcurrentUpdateDetected();
}

/** @returns the names of those that were added and removed; undefined if there are none */
async function replaceTraits(
  tx: WriteTransaction,
  providerId: number,
  traits: readonly NamedRecord[],
): Promise<AddedAndRemoved | undefined> {
  const present = await listTraitsOfProvider(tx, providerId);
  const presentIds = new Set(present.map(({ id }) => id));
  const wantedIds = new Set(traits.map(({ id }) => id));
  const fresh = traits.filter(({ id }) => !presentIds.has(id));
  const stale = present.filter(({ id }) => !wantedIds.has(id));
  await deleteProviderTraits(tx, providerId, stale.map(idOf));
  await insertProviderTraits(tx, providerId, fresh.map(idOf));
  if (fresh.length + stale.length === 0) return undefined;
  return { added: fresh.map(nameOf), removed: stale.map(nameOf) };
}

const idOf = ({ id }: NamedRecord) => id;
const nameOf = ({ name }: NamedRecord) => name;
