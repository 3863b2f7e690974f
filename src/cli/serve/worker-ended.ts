/** A worker ended before it served. It has said why on standard error, unless it was killed. */
export class WorkerEnded extends Error {
  constructor(code: number | null, signal: string | null) {
    super(`a worker ended before it served (${describeEnd(code, signal)})`);
  }
}

export function describeEnd(code: number | null, signal: string | null): string {
  return signal ? `signal ${signal}` : `exit code ${code}`;
}
