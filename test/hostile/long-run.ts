/**
 * How many random requests the fuzz test sends: few in every run of the tests, as many as
 * `STOWAGE_FUZZ_RUNS` says when somebody has the time.
 */
export const FUZZ_RUNS = Number(process.env["STOWAGE_FUZZ_RUNS"] ?? 300);

/** Whether there is time for what takes minutes. */
export const IS_LONG_RUN = process.env["STOWAGE_FUZZ_RUNS"] !== undefined;
