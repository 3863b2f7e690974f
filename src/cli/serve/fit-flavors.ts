import { readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";

import { HttpError } from "../../api/http-error.ts";
import { MAX_MICROVERSION } from "../../api/microversions.ts";
import { readCandidateQuery } from "../../api/queries/candidate-query.ts";
import { querySchema } from "../../api/queries/candidate-query-schema.ts";
import { parseQuery } from "../../api/queries/query-string.ts";
import { validateQuery } from "../../api/validation/schema.ts";
import type { LoadedConfig } from "../../config/config.ts";
import { FlavorsFileError, readFlavors } from "../../config/flavors-file.ts";
import { isThere } from "../../config/is-there.ts";
import { messageOf } from "../../config/operator-error.ts";
import type { CandidateQuery } from "../../domain/candidate-query.ts";

/**
 * The queries of `[stowage] fit_flavors_file`, by their names; none where no file is named.
 *
 * @throws FlavorsFileError with the line of a query that is wrong
 */
export function loadFitFlavors({ config, directories }: LoadedConfig): Map<string, CandidateQuery> {
  const { fitFlavorsFile } = config.stowage;
  if (fitFlavorsFile === undefined) return new Map();
  const path = find(fitFlavorsFile, directories);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new FlavorsFileError(path, undefined, `it cannot be read: ${messageOf(error)}`);
  }
  return new Map(
    readFlavors(text, path).map(({ name, query, line }) => {
      try {
        return [name, readQuery(query)];
      } catch (error) {
        if (!(error instanceof HttpError)) throw error;
        throw new FlavorsFileError(path, line, `${name}: ${error.detail}`);
      }
    }),
  );
}

/** In the first of the configuration directories that has it, as with all files that options name. */
function find(name: string, directories: readonly string[]): string {
  if (isAbsolute(name)) return name;
  const paths = directories.map((directory) => join(directory, name));
  return paths.find((path) => isThere(path)) ?? paths[0] ?? name;
}

function readQuery(text: string): CandidateQuery {
  const asked = { query: parseQuery(text), microversion: MAX_MICROVERSION };
  validateQuery(querySchema(asked), asked.query);
  return readCandidateQuery(asked);
}
