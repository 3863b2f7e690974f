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

const RANGE =
  /^([!#$%&'*+\-.^_`|~\w]+)\/([!#$%&'*+\-.^_`|~\w]+)((?:\s*;\s*[!#$%&'*+\-.^_`|~\w]+=(?:[!#$%&'*+\-.^_`|~\w]+|"[^"]*"))*)$/;
const QUALITY = /;\s*q=([^;\s]*)\s*$/i;
const QUALITY_VALUE = /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/;

function parse(accept: string): MediaRange[] | undefined {
  const ranges: MediaRange[] = [];
  for (const element of accept.split(",")) {
    const range = parseRange(element.trim());
    if (!range) return undefined;
    ranges.push(range);
  }
  return ranges;
}

function parseRange(element: string): MediaRange | undefined {
  const quality = QUALITY.exec(element)?.[1] ?? "1";
  const [, type, subtype, parameters] = RANGE.exec(element.replace(QUALITY, "")) ?? [];
  if (type === undefined || subtype === undefined || !QUALITY_VALUE.test(quality)) return undefined;
  return {
    type: type.toLowerCase(),
    subtype: subtype.toLowerCase(),
    hasParameters: parameters !== "",
    quality: Number(quality),
  };
}

/** The quality that the most specific range gives the offer; 0 without any. */
function qualityOf(offer: string, ranges: readonly MediaRange[]): number {
  const [type, subtype] = offer.split("/");
  const find = (wantedType: string | undefined, wantedSubtype: string | undefined) =>
    ranges.findLast(
      (range) =>
        range.type === wantedType && range.subtype === wantedSubtype && !range.hasParameters,
    );
  return (find(type, subtype) ?? find(type, "*") ?? find("*", "*"))?.quality ?? 0;
}
