const LENGTH = 36;

/** By code: letters, digits and the hyphen. A regular expression takes a fifth of the time that a provider does. */
const IS_PLAIN = new Uint8Array(128);
for (const code of Buffer.from("-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) {
  IS_PLAIN[code] = 1;
}

/** Whether it is of 36 characters that mean themselves in JSON; very old databases may have others. */
export function isPlainUuid(text: string): boolean {
  if (text.length !== LENGTH) return false;
  for (let at = 0; at < LENGTH; at += 1) {
    if (IS_PLAIN[text.charCodeAt(at)] !== 1) return false;
  }
  return true;
}
