import { HttpError } from "../../http-error.ts";

/**
 * Says of an error where in the body it is.
 *
 * @throws HttpError with the place before its text
 */
export function at<Result>(place: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    const { status, detail, code, headers } = error;
    throw new HttpError(status, `${place}: ${detail}`, { code, headers });
  }
}
