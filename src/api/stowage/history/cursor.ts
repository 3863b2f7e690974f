import type { HistoryCursor } from "../../../operations/history.ts";
import { badRequest } from "../../http-error.ts";
import { defineSchema } from "../../validation/schema.ts";
import { parseJson } from "../../validation/parse-json.ts";

interface Written {
  readonly c: number;
  readonly b?: number;
  readonly u?: Readonly<Record<string, number>>;
}

const ID = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const SAFE = {
  type: "integer",
  minimum: -Number.MAX_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
};

const WRITTEN = defineSchema<Written>({
  type: "object",
  properties: {
    c: ID,
    b: ID,
    u: { type: "object", maxProperties: 1000, additionalProperties: SAFE },
  },
  required: ["c"],
  additionalProperties: false,
});

/** Opaque to clients. */
export function writeCursor({ changeId: c, before: b, used: u }: HistoryCursor): string {
  return Buffer.from(JSON.stringify({ c, b, u })).toString("base64url");
}

/** @throws HttpError 400 for what is none */
export function readCursor(text: string): HistoryCursor {
  try {
    const { c, b, u } = WRITTEN.validate(parseJson(Buffer.from(text, "base64url")));
    return { changeId: c, ...(b !== undefined && { before: b }), ...(u && { used: u }) };
  } catch {
    throw badRequest("after is not what an answer has as next.");
  }
}
