/** So many answers that go on may be open at once in a process. */
export const MAX_STREAMS = 256;
/** So many values each condition on events may have; each event is held against all of them. */
export const MAX_EVENT_FILTERS = 32;
/** So many events are told in one answer to a client that polls. */
export const MAX_EVENTS = 1000;
