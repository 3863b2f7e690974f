/** Text with places for attributes of the target: `%(project_id)s`. */
export type Template = readonly (string | { readonly attribute: string })[];

/** Attributes of what a request is about; a value that is not known is `undefined`. */
export type TargetValues = ReadonlyMap<string, string | undefined>;

/**
 * Parses the part of Python's `%` formatting that rules use: `%(name)s`, and `%%` for a per cent
 * sign. Gives `undefined` for anything else behind a `%`.
 */
export function parseTemplate(text: string): Template | undefined {
  const parts = text.split(/(%%|%\([^()]*\)s)/);
  const template = parts.map((part) => {
    if (part === "%%") return "%";
    return part.startsWith("%(") && part.endsWith(")s") ? { attribute: part.slice(2, -2) } : part;
  });
  const isUnderstood = parts.every((part, index) => index % 2 === 1 || !part.includes("%"));
  return isUnderstood ? template : undefined;
}

/**
 * Fills in the target's attributes. Gives `undefined` when the target does not have one; one that it
 * has without a value is `None`, as Python writes it, which oslo.policy then compares like any text.
 */
export function fillTemplate(template: Template, target: TargetValues): string | undefined {
  let text = "";
  for (const part of template) {
    if (typeof part === "string") text += part;
    else if (target.has(part.attribute)) text += target.get(part.attribute) ?? "None";
    else return undefined;
  }
  return text;
}
