/**
 * White space as Python's `str.strip` sees it, because that decides what a value in `placement.conf`
 * is. It differs from JavaScript's: U+001C to U+001F and U+0085 belong to it, U+FEFF does not.
 */
function isWhiteSpace(character: string): boolean {
  if (character === "\u{feff}") return false;
  return /\s/.test(character) || "\u{1c}\u{1d}\u{1e}\u{1f}\u{85}".includes(character);
}

export function stripStart(text: string): string {
  let start = 0;
  while (start < text.length && isWhiteSpace(text.charAt(start))) start += 1;
  return text.slice(start);
}

export function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isWhiteSpace(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

export function strip(text: string): string {
  return stripStart(stripEnd(text));
}
