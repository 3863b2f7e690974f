import { PolicyFileError } from "../auth/policy/policy-file-error.ts";
import { ConfigError } from "../config/config-error.ts";
import {
  DatabaseUnavailable,
  PermissionDenied,
  SchemaMismatch,
  TransactionConflict,
} from "../db/errors.ts";
import { WorkerEnded } from "./serve/worker-ended.ts";

/** Whether the message of an error tells an operator what is wrong, and a stack trace would not help. */
export function isForOperator(error: unknown): error is Error {
  return (
    error instanceof ConfigError ||
    error instanceof PolicyFileError ||
    error instanceof SchemaMismatch ||
    error instanceof DatabaseUnavailable ||
    error instanceof TransactionConflict ||
    error instanceof PermissionDenied ||
    error instanceof WorkerEnded ||
    // From the operating system, such as an address in use or a file that may not be written.
    (error instanceof Error && "syscall" in error)
  );
}
