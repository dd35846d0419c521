import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { lineageDot } from "../../src/registry/lineage/dot.ts";
import { lineageMermaid } from "../../src/registry/lineage/mermaid.ts";
import { lineageSvg } from "../../src/registry/lineage/svg.ts";
import { diamond, edge, lineageOf, node, ODD } from "./lineage-of.ts";
import { readXml } from "./xml.ts";

test("DOT has each artifact and each edge once; implicit edges are dashed, changed ones red", () => {
  expect(
    lineageDot(diamond())
      .replace(/, tooltip="(?:[^"\\]|\\.)*"/g, "")
      .split("\n")
      .slice(4),
  ).toEqual([
    '  n1 [label="raw@v1\\ndataset, 10 B, deleted", style="rounded,filled,dashed", fontcolor=gray40, color=gray60];',
    '  n2 [label="notes.bin\\nof run 01890000-0000\\nmodel, 10 B"];',
    '  n3 [label="left@v1\\nmodel, 10 B"];',
    '  n4 [label="right@v1\\nmodel Ridge, 10 B"];',
    '  n5 [label="model@v1\\nmodel, 10 B\\npinned, @best", penwidth=2.5];',
    '  n6 [label="report@v1\\nmodel, 10 B"];',
    "  n1 -> n3;",
    "  n1 -> n4 [style=dashed];",
    '  n3 -> n5 [label="spec"];',
    "  n4 -> n5;",
    '  n2 -> n5 [label="changed during the run", style=dashed, color=red, fontcolor=red];',
    "  n5 -> n6;",
    "}",
    "",
  ]);
});

test("in DOT nothing ends a label early, and what is no line break does not become one", () => {
  const dot = lineageDot(lineageOf([node("a", 0, { name: ODD, description: 'first "line"\nsecond\\n \x07' })], []));
  const [, label = "", tooltip = ""] = /\[label="((?:[^"\\]|\\.)*)", tooltip="((?:[^"\\]|\\.)*)", penwidth=2.5\];/.exec(
    dot,
  ) as RegExpExecArray;
  expect(label).toBe('a \\"quoted\\" \\\\name\\\\n <b>&amp;amp; `x` #35; |x| [y] {z}@v1\\nmodel, 10 B');
  expect(tooltip).toEndWith('first \\"line\\"\\nsecond\\\\n  ');
});

test("Mermaid has each artifact and each edge once", () => {
  expect(lineageMermaid(diamond())).toBe(`flowchart LR
  n1["raw@v1<br/>dataset, 10 B, deleted"]
  n2["notes.bin<br/>of run 01890000-0000<br/>model, 10 B"]
  n3["left@v1<br/>model, 10 B"]
  n4["right@v1<br/>model Ridge, 10 B"]
  n5["model@v1<br/>model, 10 B<br/>pinned, @best"]
  n6["report@v1<br/>model, 10 B"]
  n1 --> n3
  n1 -.-> n4
  n3 -->|"spec"| n5
  n4 --> n5
  n2 -.->|"changed during the run"| n5
  n5 --> n6
  style n5 stroke-width:3px
  classDef gone stroke-dasharray:4 3,color:#666
  class n1 gone
  linkStyle 4 stroke:#c00
`);
});

test("in Mermaid every character that means something is an entity", () => {
  const text = lineageMermaid(lineageOf([node("a", 0, { name: ODD }), node("b", 1)], [edge("b < a", { role: 'a|"b' })]));
  const label = /n1\["([^"]*)"\]/.exec(text)?.[1] as string;
  expect(label.replaceAll("<br/>", "")).not.toMatch(/["<>&`|[\]{}\\]/);
  expect(label.replace(/#([0-9]+);/g, (_, code: string) => String.fromCodePoint(Number(code)))).toBe(`${ODD}@v1<br/>model, 10 B`);
  expect(text).toContain('n1 -->|"a#124;#34;b"| n2');
});

test("SVG is whole, has a title, and shows each artifact and what stands at its edges", () => {
  const svg = lineageSvg(diamond(), "a note");
  const { faults, texts } = readXml(svg);
  expect(faults).toEqual([]);
  expect(texts.slice(0, 2)).toEqual(["lineage of model@v1", "a note"]);
  expect(texts).toEqual(expect.arrayContaining(["raw@v1", "dataset, 10 B, deleted", "pinned, @best", "spec", "changed during the run"]));
  expect([...svg.matchAll(/<g><title>/g)]).toHaveLength(6);
  expect([...svg.matchAll(/<path [^>]*marker-end/g)]).toHaveLength(6);
  expect([...svg.matchAll(/<path [^>]*stroke-dasharray[^>]*marker-end/g)]).toHaveLength(2);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
});

test("the same lineage is the same picture", () => {
  expect(lineageSvg(diamond())).toBe(lineageSvg(diamond()));
});

test("no name and no description makes the SVG anything but whole", () => {
  const odd = fc.string({
    unit: fc.oneof(fc.constantFrom(..."<>&\"'\n\t\r\x00\x1b\ud800\ufffe]-"), fc.string({ unit: "binary", minLength: 1, maxLength: 1 })),
  });
  fc.assert(
    fc.property(odd, odd, odd, (name, description, role) => {
      const svg = lineageSvg(
        lineageOf([node("a", 0, { name, ref: name, description }), node("b", 1)], [edge("b < a", { role })]),
        description,
      );
      expect(readXml(svg).faults).toEqual([]);
    }),
  );
});

test("in SVG a long name is shortened in the middle, and is whole where somebody points at it", () => {
  const name = `${"long".repeat(30)}-tail`;
  const { texts } = readXml(lineageSvg(lineageOf([node("a", 0, { name, ref: `${name}@v1` })], [])));
  expect(texts).toContain("longlonglonglonglon…longlonglong-tail@v1");
  expect(texts.some((text) => text.startsWith(`${name}@v1\nrun`))).toBe(true);
});

test("what crosses very many layers is drawn too, outside of the layout", () => {
  // each of a chain was made from the first as well: 44,850 layers are crossed
  const nodes = Array.from({ length: 300 }, (_, index) => node(String(index), Math.min(index, 1)));
  const edges = nodes
    .slice(1)
    .flatMap((_, index) => [edge(`${index + 1} < ${index}`), ...(index > 0 ? [edge(`${index + 1} < 0`, { role: "base" })] : [])]);
  const svg = lineageSvg(lineageOf(nodes, edges));
  expect(readXml(svg).faults).toEqual([]);
  expect([...svg.matchAll(/marker-end/g)]).toHaveLength(edges.length);
  expect([...svg.matchAll(/>base</g)]).toHaveLength(298);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
});

test("two roles between the same two artifacts are two edges", () => {
  const lineage = lineageOf([node("a", 0), node("b", 1)], [edge("b < a"), edge("b < a", { role: "source" })]);
  expect([...lineageSvg(lineage).matchAll(/marker-end/g)]).toHaveLength(2);
  expect([...lineageDot(lineage).matchAll(/->/g)]).toHaveLength(2);
});

test("what is wrong with XML is found", () => {
  for (const wrong of ["<a>", "<a></b>", "<a>&</a>", "<a b=c/>", '<a b="1" b="2"/>', "<a>\x01</a>", '<a b="<"/>', "<a>1 < 2</a>"])
    expect(readXml(wrong).faults).not.toEqual([]);
});
