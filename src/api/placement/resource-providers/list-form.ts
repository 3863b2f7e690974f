import type { ProviderRows } from "../../../operations/provider-listing.ts";
import { supports } from "../../microversions.ts";
import type { WriteProvider } from "../../page-texts.ts";
import { isPlainUuid } from "../../plain-uuid.ts";
import type { ApiRequest } from "../../request.ts";
import { ProviderTemplates } from "./provider-templates.ts";
import { RELATIONS, renderProvider } from "./rendering.ts";

type Asked = Pick<ApiRequest, "microversion" | "query" | "mountPoint">;

const BEFORE_UUID = ',{"uuid":"';

/** Names what the text of a provider depends on: what a microversion brought, and where the API is mounted. */
export function formOfList(request: Asked): string {
  const features = [...RELATIONS.map(([, since]) => since), "nestedProviders"] as const;
  const known = features.filter((feature) => supports(request, feature));
  return `list ${known.length} ${request.mountPoint}`;
}

/** Writes a provider as a list has it, in the form of a request: its links are copied, with its UUID filled in. */
export function listedProvider(providers: ProviderRows, request: Asked): WriteProvider {
  const templates = ProviderTemplates.for(request);
  return (out, row) => {
    const uuid = providers.uuidOf(row);
    const parentUuid = providers.isRoot(row) ? undefined : providers.parentUuidOf(row);
    const rootUuid = providers.isRoot(row) ? uuid : providers.rootUuidOf(row);
    const areOfOthers = rootUuid !== uuid || parentUuid !== undefined;
    if (
      !isPlainUuid(uuid) ||
      (areOfOthers && !(isPlainUuid(rootUuid) && isPlainUuid(parentUuid ?? uuid)))
    ) {
      out.text(spell(providers, row, request));
      return;
    }
    const own = out.length + BEFORE_UUID.length;
    const name = JSON.stringify(providers.nameOf(row));
    const generation = providers.generationOf(row);
    out.text(`${BEFORE_UUID}${uuid}","name":${name},"generation":${generation},"links":`);
    const template = parentUuid === undefined ? templates.alone : templates.child;
    const base = out.length;
    out.copy(template.bytes, 0, template.bytes.length);
    for (const place of template.self) out.repeatUuid(base + place, own);
    if (template.root === undefined) return;
    if (rootUuid === uuid) out.repeatUuid(base + template.root, own);
    else out.overwriteText(base + template.root, rootUuid);
    if (template.parent !== undefined && parentUuid !== undefined) {
      out.overwriteText(base + template.parent, parentUuid);
    }
  };
}

/** The slow way, for UUIDs that do not fit the holes. */
function spell(providers: ProviderRows, row: number, request: Asked): string {
  const provider = {
    uuid: providers.uuidOf(row),
    name: providers.nameOf(row),
    generation: providers.generationOf(row),
    parentProviderUuid: providers.parentUuidOf(row) ?? null,
    rootProviderUuid: providers.rootUuidOf(row),
  };
  return `,${JSON.stringify(renderProvider(request, provider))}`;
}
