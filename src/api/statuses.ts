/** What is said of every answer with an error status. */
interface Status {
  readonly title: string;
  /**
   * The sentence before the detail, which some clients show; those that come from WebOb are WebOb's.
   * `{}` stands for what the request said: its method, or the media type that it wants or sends.
   */
  readonly explanation: string;
}

/** Every status of an error that is answered, with its title and explanation. */
export const STATUSES = {
  400: {
    title: "Bad Request",
    explanation:
      "The server could not comply with the request since it is either malformed or otherwise incorrect.",
  },
  401: {
    title: "Unauthorized",
    explanation:
      "This server could not verify that you are authorized to access the document you requested. " +
      "Either you supplied the wrong credentials (e.g., bad password), or your browser does not " +
      "understand how to supply the credentials required.",
  },
  403: { title: "Forbidden", explanation: "Access was denied to this resource." },
  404: { title: "Not Found", explanation: "The resource could not be found." },
  405: {
    title: "Method Not Allowed",
    explanation: "The method {} is not allowed for this resource. ",
  },
  406: {
    title: "Not Acceptable",
    explanation:
      "The resource could not be generated that was acceptable to your browser (content of type {}. ",
  },
  408: {
    title: "Request Timeout",
    explanation: "The server has waited too long for the request to be sent by the client.",
  },
  409: {
    title: "Conflict",
    explanation: "There was a conflict when trying to complete your request.",
  },
  410: { title: "Gone", explanation: "What was asked for is no longer kept." },
  413: {
    title: "Request Entity Too Large",
    explanation: "The body of your request was too large for this server.",
  },
  415: {
    title: "Unsupported Media Type",
    explanation: "The request media type {} is not supported by this server. ",
  },
  421: {
    title: "Misdirected Request",
    explanation: "The request was sent to a server that does not answer for its host.",
  },
  422: {
    title: "Unprocessable Entity",
    explanation: "The request is understood, and contradicts one that came before it.",
  },
  428: {
    title: "Precondition Required",
    explanation: "The request has to say what it is based on.",
  },
  431: {
    title: "Request Header Fields Too Large",
    explanation: "The request header fields were too large",
  },
  500: {
    title: "Internal Server Error",
    explanation:
      "The server has either erred or is incapable of performing the requested operation.",
  },
  501: {
    title: "Not Implemented",
    explanation: "The server does not support what the request needs.",
  },
  503: {
    title: "Service Unavailable",
    explanation: "The server is currently unavailable. Please try again at a later time.",
  },
} as const satisfies Readonly<Record<number, Status>>;

export type ErrorStatus = keyof typeof STATUSES;
