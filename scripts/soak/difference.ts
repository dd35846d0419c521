/** The store is not what the model says, or a command did what none may do. */
export class Difference extends Error {
  override readonly name = "Difference";
}

export function differ(words: string): never {
  throw new Difference(words);
}
