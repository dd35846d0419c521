import { makeRandom, shuffle } from "../train/random.mjs";

/** The numbers of `count` rows, shuffled and dealt out by share: `{training: 0.8, test: 0.2}`. The last part takes what is left. */
export function split(count, shares, seed) {
  const order = shuffle([...Array(count).keys()], makeRandom(seed));
  const names = Object.keys(shares);
  let from = 0;
  const parts = {};
  for (const [index, name] of names.entries()) {
    const to = index === names.length - 1 ? count : from + Math.round(count * shares[name]);
    parts[name] = order.slice(from, to);
    from = to;
  }
  return { class: "ShuffleSplit", seed, ...parts };
}

export function rowsOf(rows, numbers) {
  return numbers.map((number) => rows[number]);
}
