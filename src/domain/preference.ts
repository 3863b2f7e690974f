/** Which of the places that fit a claim takes: also by which a gang chooses hosts for its members. */
export const PREFERENCES = ["first", "random", "pack", "spread"] as const;
export type Preference = (typeof PREFERENCES)[number];
