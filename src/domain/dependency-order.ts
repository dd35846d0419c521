/**
 * Each of `nodes` once, behind all that it depends on. Where that leaves a choice, in the order given: a list that is in order stays as it is. What depends
 * on itself in a circle, which only a damaged graph does, is entered at its first node.
 */
export function dependencyOrder<T>(nodes: Iterable<T>, dependencies: (node: T) => Iterable<T>): T[] {
  const entered = new Set<T>();
  const order: T[] = [];
  for (const node of nodes) {
    // a chain may be longer than calls can be nested
    const way: { node: T; left: Iterator<T> }[] = [];
    const enter = (next: T): void => {
      if (entered.has(next)) return;
      entered.add(next);
      way.push({ node: next, left: dependencies(next)[Symbol.iterator]() });
    };
    enter(node);
    for (let here = way.at(-1); here; here = way.at(-1)) {
      const next = here.left.next();
      if (!next.done) enter(next.value);
      else order.push((way.pop() as typeof here).node);
    }
  }
  return order;
}
