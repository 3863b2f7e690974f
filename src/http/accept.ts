/** What an `Accept` header lets through, by the rules of WebOb, whose answers clients are used to. */

interface MediaRange {
  readonly type: string;
  readonly subtype: string;
  readonly hasParameters: boolean;
  readonly quality: number;
}

/** Those of the offers that are acceptable, the most welcome first, else in the order given. */
export function acceptableOffers<Offer extends string>(
  accept: string,
  offers: readonly Offer[],
): readonly Offer[] {
  const ranges = parse(accept);
  // A header that is none forbids nothing.
  if (!ranges) return offers;
  return offers
    .map((offer) => ({ offer, quality: qualityOf(offer, ranges) }))
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality)
    .map(({ offer }) => offer);
}

// Each begins where the one before it ended. A comma or a semicolon in quotes separates nothing.
const RANGE = /[ \t]*([!#$%&'*+\-.^_`|~\w]+)\/([!#$%&'*+\-.^_`|~\w]+)/y;
const PARAMETER =
  /[ \t]*;[ \t]*([!#$%&'*+\-.^_`|~\w]+)(=(?:[!#$%&'*+\-.^_`|~\w]+|"(?:[^"\\]|\\[^])*"))?/y;
const NEXT = /[ \t]*(?:,[ \t]*)+|[ \t]*$/y;
const QUALITY_VALUE = /^=(0(\.\d{0,3})?|1(\.0{0,3})?)$/;

/** `undefined` for what is no list of media ranges. */
function parse(accept: string): MediaRange[] | undefined {
  const ranges: MediaRange[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(accept) ?? undefined;
    if (found) at += found[0].length;
    return found;
  };
  do {
    const [, type, subtype] = take(RANGE) ?? [];
    if (type === undefined || subtype === undefined) return undefined;
    const parameters = takeParameters(take);
    if (!parameters || !take(NEXT)) return undefined;
    ranges.push({ type: type.toLowerCase(), subtype: subtype.toLowerCase(), ...parameters });
  } while (at < accept.length);
  return ranges;
}

/** Those of the media type, then the quality, then what extends the header and means nothing here. */
function takeParameters(
  take: (pattern: RegExp) => RegExpExecArray | undefined,
): Pick<MediaRange, "hasParameters" | "quality"> | undefined {
  let hasParameters = false;
  let quality: number | undefined;
  for (let found = take(PARAMETER); found; found = take(PARAMETER)) {
    const [, name = "", value] = found;
    if (quality !== undefined) continue;
    if (value === undefined) return undefined;
    if (name.toLowerCase() !== "q") hasParameters = true;
    else if (QUALITY_VALUE.test(value)) quality = Number(value.slice(1));
    else return undefined;
  }
  return { hasParameters, quality: quality ?? 1 };
}

/** The quality that the most specific range gives the offer; 0 without any. */
function qualityOf(offer: string, ranges: readonly MediaRange[]): number {
  const [type, subtype] = offer.split("/");
  const find = (wantedType: string | undefined, wantedSubtype: string | undefined) =>
    ranges.find(
      ({ type: ofRange, subtype: ofSubtype, hasParameters }) =>
        ofRange === wantedType &&
        ofSubtype === wantedSubtype &&
        (!hasParameters || ofSubtype === "*"),
    );
  return (find(type, subtype) ?? find(type, "*") ?? find("*", "*"))?.quality ?? 0;
}
