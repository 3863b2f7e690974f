/** So many answers that go on may be open at once in a process. */
export const MAX_STREAMS = 256;
