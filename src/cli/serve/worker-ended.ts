import { OperatorError } from "../../config/operator-error.ts";

/** A worker ended before it served. It has said why on standard error, unless it was killed. */
export class WorkerEnded extends OperatorError {
  /** How it ended; nothing if that was when it was of no use any more. */
  constructor(code?: number | null, signal?: string | null) {
    const how = code === undefined ? "" : ` (${describeEnd(code, signal ?? null)})`;
    super(`a worker ended before it served${how}`);
  }
}

export function describeEnd(code: number | null, signal: string | null): string {
  return signal ? `signal ${signal}` : `exit code ${code}`;
}
