/**
 * How much may still be tried before a search has to pause; one is about a provider looked at. It
 * may be overdrawn by what is not worth dividing, such as one anchor's providers.
 */
export interface Budget {
  left: number;
}
