/** A set of small numbers, in the order in which they were added. */
export class NumberSet {
  #bits = new Int32Array(64);
  readonly #numbers: number[] = [];

  get size(): number {
    return this.#numbers.length;
  }

  add(number: number): void {
    const word = number >>> 5;
    const mask = 1 << (number & 31);
    if (word >= this.#bits.length) this.#grow(word);
    if ((this.#bits[word]! & mask) !== 0) return;
    this.#bits[word]! |= mask;
    this.#numbers.push(number);
  }

  at(position: number): number {
    return this.#numbers[position]!;
  }

  #grow(word: number): void {
    const bits = new Int32Array(word * 2);
    bits.set(this.#bits);
    this.#bits = bits;
  }
}
