/** The forms of names, as regular expressions in JSON schemas; clients see them in messages. */

export const UUID_PATTERN = "^[0-9a-fA-F-]{36}$";
export const RESOURCE_CLASS_PATTERN = "^[A-Z0-9_]+$";
export const CUSTOM_NAME_PATTERN = "^CUSTOM_[A-Z0-9_]+$";
export const CONSUMER_TYPE_PATTERN = "^[A-Z0-9_]+$";
/** What `GET /usages` takes: a type, or the words for all consumers and for those without one. */
export const CONSUMER_TYPE_QUERY_PATTERN = "^[A-Z0-9_]+$|^all|^unknown$";
/** The suffix of a request group since 1.33; numbers only before. */
export const GROUP_SUFFIX_PATTERN = "[a-zA-Z0-9_-]{1,64}";
export const NUMBERED_GROUP_SUFFIX_PATTERN = "[1-9][0-9]*";
