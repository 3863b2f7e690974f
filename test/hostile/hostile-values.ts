/** What an attacker, a broken client or bad luck might send. Nothing here is meant to be accepted. */

/** Part of every text that looks like SQL: where it shows up in a statement's text, input got in. */
export const MARKER = "hostile7f3a";

/** Text, as the characters that the receiver would see after decoding. */
export const HOSTILE_TEXTS: readonly string[] = [
  // Injection: SQL, headers and log lines, paths, shells, templates.
  `'; DROP TABLE consumers; -- ${MARKER}`,
  `${MARKER}' OR '1'='1`,
  `${MARKER}" OR ""="`,
  `1) UNION SELECT "${MARKER}" FROM (users`,
  `${MARKER}\`; ATTACH DATABASE '/tmp/${MARKER}' AS x`,
  `${MARKER}\r\nX-Injected: yes\r\n\r\nHTTP/1.1 200 OK`,
  `${MARKER}\n2026-01-01 00:00:00.000 1 INFO stowage forged`,
  `../../../../etc/passwd`,
  `$(touch /tmp/${MARKER})`,
  `{{7*7}}\${7*7}%s%n`,
  `<script>${MARKER}</script>`,
  // What LIKE takes for anything.
  "%",
  "_",
  // Names that mean something to JavaScript.
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  // Characters that are easily lost, doubled or turned around.
  "\u0000",
  `a\u0000${MARKER}`,
  "\u202Egnp.exe",
  "\uFEFF",
  "e\u0301\u{1F4A9}\u2028\u2029",
  "\u0130\u0131\u017F",
  "\u007f\u0085\u001b[2J",
  // What is nearly a number, a UUID or nothing.
  "",
  " ",
  "-0",
  "NaN",
  "1e400",
  "9223372036854775808",
  "0x10",
  "\u0661\u0662",
  "null",
  "undefined",
  "00000000-0000-0000-0000-00000000000g",
  "urn:uuid:{{{{{{{{",
];

/** The same for places that are attacked often: one of each kind. */
export const SOME_HOSTILE_TEXTS: readonly string[] = [
  `${MARKER}' OR '1'='1`,
  `${MARKER}" OR ""="\r\nX-Injected: yes`,
  "../../etc/passwd",
  "%",
  "__proto__",
  "constructor",
  `a\u0000${MARKER}`,
  "\u202Egnp.exe\u{1F4A9}",
  "",
  "9223372036854775808",
  "-0",
  "in:,,,,!!,in:",
  "A".repeat(4000),
];

/** Parts of a URL that are sent as they stand, because it is their encoding that is wrong. */
export const HOSTILE_URL_PARTS: readonly string[] = [
  "%00",
  "%",
  "%zz",
  "%u0041",
  "%ff%fe",
  "%c0%af", // an overlong slash
  "%e0%80%af",
  "%c0%80", // an overlong NUL
  "%ed%a0%80", // half of a surrogate pair
  "%f4%90%80%80", // beyond Unicode
  "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
  "%252e%252e%252f",
  "%0d%0aX-Injected:%20yes",
  "a;b=c",
  "a%26b%3dc",
  "\u00e9\u00ff",
  "a+b",
  "%20",
];

/** JSON that stands where it is put, character by character: not every value can be written by one. */
export class Raw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Every type of JSON, and the values at its edges. */
export const HOSTILE_JSON: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  new Raw("-0"),
  1.5,
  new Raw("1e400"),
  new Raw("-1e400"),
  new Raw("1e308"),
  new Raw("NaN"),
  new Raw("Infinity"),
  new Raw("-Infinity"),
  new Raw("9223372036854775807"),
  new Raw("9223372036854775808"),
  new Raw(`1${"0".repeat(400)}`),
  new Raw("2147483648"),
  new Raw("9007199254740993"),
  "",
  `'; DROP TABLE consumers; -- ${MARKER}`,
  `${MARKER}" OR ""="`,
  `a\u0000${MARKER}`,
  "\ud800",
  "\udc00\ud800",
  "\u202Egnp.exe\r\n",
  "__proto__",
  "1",
  [],
  [[]],
  [null],
  ["a", "a"],
  {},
  { a: {} },
  new Raw('{"__proto__":{"polluted":true}}'),
  new Raw('{"constructor":{"prototype":{"polluted":true}}}'),
  new Raw('{"a":1,"a":2}'),
  new Raw("[".repeat(90) + "]".repeat(90)),
];

/** Keys where none of them belongs. */
export const HOSTILE_KEYS: readonly string[] = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "",
  `${MARKER}" = 1; --`,
  "\u0000",
  "\ud800",
  "A".repeat(300),
  "a\r\nb",
];

/** Bodies that are no document, or none that anybody would want to read. */
export function hostileBodies(): ReadonlyMap<string, Uint8Array> {
  const texts: Record<string, string> = {
    empty: "",
    "white space": " \n",
    "a byte order mark": "\uFEFF{}",
    null: "null",
    "a number": "7",
    "a text": '"a"',
    "an empty list": "[]",
    "an empty object": "{}",
    "a truncated object": '{"a":',
    "two documents": "{} {}",
    NaN: '{"a":NaN}',
    "a number beyond doubles": '{"a":1e400}',
    "a lone surrogate": '{"a":"\\ud800"}',
    "a lone surrogate as a key": '{"\\udfff":1}',
    "a raw control character": '{"a":"\u0001"}',
    "the prototype": '{"__proto__":{"polluted":true}}',
    "the constructor": '{"constructor":{"prototype":{"polluted":true}}}',
    "lists, 100,000 deep": "[".repeat(100_000) + "]".repeat(100_000),
    "objects, 100,000 deep": '{"a":'.repeat(100_000) + "1" + "}".repeat(100_000),
    "lists, 100,000 deep and not closed": "[".repeat(100_000),
    "a form": "name=a&uuid=b",
    XML: `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`,
  };
  const bytes: Record<string, readonly number[]> = {
    "invalid UTF-8": [0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d],
    "overlong UTF-8": [0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d],
    "a surrogate in UTF-8": [0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d],
    "UTF-16": [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00],
    NULs: [0, 0, 0, 0],
    "gzip, as its first bytes say": [0x1f, 0x8b, 0x08, 0x00],
  };
  return new Map([
    ...Object.entries(texts).map(([label, text]) => [label, Buffer.from(text)] as const),
    ...Object.entries(bytes).map(([label, list]) => [label, Uint8Array.from(list)] as const),
  ]);
}
