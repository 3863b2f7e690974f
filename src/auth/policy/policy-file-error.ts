import { OperatorError } from "../../config/operator-error.ts";

/** A policy file cannot be used. The message is for the operator and names the file. */
export class PolicyFileError extends OperatorError {}
