/** A policy file cannot be used. The message is for the operator and names the file. */
export class PolicyFileError extends Error {
  override get name(): string {
    return "PolicyFileError";
  }
}
