import { OperatorError } from "./operator-error.ts";

/**
 * The configuration cannot be used. The message is for the operator: it names the file and line (or
 * the environment variable), the option, and what is allowed. It never holds a secret.
 */
export class ConfigError extends OperatorError {}
