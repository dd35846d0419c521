// The least that a compiled Bun program can do.
console.log("0");
