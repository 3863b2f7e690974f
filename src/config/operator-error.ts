import { userInfo } from "node:os";

/**
 * Something that an operator can mend: it is told in one line, without a stack trace. The message says
 * what happened, to what, and what to do.
 */
export abstract class OperatorError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** Whether an error is told without a stack trace: it is no defect of the program. */
export function isForOperator(error: unknown): error is Error {
  // What the operating system says of a file or an address that nobody had in mind here.
  return error instanceof OperatorError || (error instanceof Error && "syscall" in error);
}

/** What was thrown says, be it an error or not. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Who a file has to belong to, as messages name it: `the user placement`. */
export function processUser(): string {
  try {
    return `the user ${userInfo().username}`;
  } catch {
    // In a container, a number may be all that there is.
    return `the user ${process.getuid?.() ?? "of this process"}`;
  }
}
