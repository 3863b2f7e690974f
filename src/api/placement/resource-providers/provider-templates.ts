import { BoundedMap } from "../../../domain/bounded-map.ts";
import { supports } from "../../microversions.ts";
import type { ApiRequest } from "../../request.ts";
import { UUID_LENGTH } from "../row-texts.ts";
import { renderProvider } from "./rendering.ts";

/** Stand for UUIDs, and are found again in the text; as long as those are. */
const [SELF, PARENT, ROOT] = ["s", "p", "r"].map((letter) => letter.repeat(UUID_LENGTH)) as [
  string,
  string,
  string,
];

const LINKS = ',"links":';

/** The text of a provider from its links on, with holes for UUIDs. */
interface ProviderTemplate {
  readonly bytes: Buffer;
  /** Where its own UUID goes. */
  readonly self: readonly number[];
  readonly parent: number | undefined;
  readonly root: number | undefined;
}

type Asked = Pick<ApiRequest, "microversion" | "query" | "mountPoint">;

/** Those of a few clients' microversions; whoever sends prefixes of paths of his own has them made anew. */
const MAX_KEPT = 16;

/** As a microversion has it, and under the prefix of the request. */
export class ProviderTemplates {
  /** Of a root. */
  readonly alone: ProviderTemplate;
  readonly child: ProviderTemplate;

  static readonly #kept = new BoundedMap<string, ProviderTemplates>({ entries: MAX_KEPT });

  /** As kept from earlier answers. */
  static for(request: Asked): ProviderTemplates {
    const key = `${request.microversion.minor} ${request.mountPoint}`;
    const kept = ProviderTemplates.#kept.use(key) ?? new ProviderTemplates(request);
    ProviderTemplates.#kept.set(key, kept);
    return kept;
  }

  private constructor(request: Asked) {
    this.alone = makeTemplate(request, null);
    this.child = supports(request, "nestedProviders") ? makeTemplate(request, PARENT) : this.alone;
  }
}

function makeTemplate(request: Asked, parentProviderUuid: string | null): ProviderTemplate {
  const provider = renderProvider(request, {
    uuid: SELF,
    name: "",
    generation: 0,
    parentProviderUuid,
    rootProviderUuid: ROOT,
  });
  // What comes before is what is kept of each provider.
  const whole = JSON.stringify(provider);
  const text = whole.slice(whole.indexOf(LINKS) + LINKS.length);
  return {
    bytes: Buffer.from(text),
    self: placesOf(SELF, text),
    parent: placesOf(PARENT, text)[0],
    root: placesOf(ROOT, text)[0],
  };
}

/** In bytes. */
function placesOf(mark: string, text: string): number[] {
  const places: number[] = [];
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + UUID_LENGTH)) {
    places.push(Buffer.byteLength(text.slice(0, at)));
  }
  return places;
}
