import resourceClasses from "./resource-classes.json" with { type: "json" };
import traits from "./traits.json" with { type: "json" };

/** The resource classes that every deployment knows; the position of a class is its id. */
export const STANDARD_RESOURCE_CLASSES: readonly string[] = resourceClasses.names;

/** The traits that every deployment knows, in alphabetical order. */
export const STANDARD_TRAITS: readonly string[] = traits.names;
