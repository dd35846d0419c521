/** Reads XML as strictly as a browser does where it matters here, and says what is wrong with it; empty for nothing. Returns the text of all elements with it. */
export function readXml(xml: string): { faults: string[]; texts: string[] } {
  const faults: string[] = [];
  const texts: string[] = [];
  const open: string[] = [];
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(xml)) faults.push("a character that XML cannot have");
  if (!xml.isWellFormed()) faults.push("half a surrogate pair");
  const text = (part: string): void => {
    if (/&(?!(?:amp|lt|gt|quot);)/.test(part)) faults.push(`a bare & in ${part}`);
    if (part.trim() !== "") texts.push(decode(part));
  };
  const token = /<(\/?)([A-Za-z]+)((?:\s+[A-Za-z:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)|(.)/gs;
  for (const [whole, closing, name = "", attributes = "", alone, words, odd] of xml.matchAll(token)) {
    if (odd !== undefined) faults.push(`no tag: ${xml.slice(xml.indexOf(whole), xml.indexOf(whole) + 40)}`);
    else if (words !== undefined) text(words);
    else if (closing === "/" && open.pop() !== name) faults.push(`</${name}> closes something else`);
    else if (closing === "") {
      const names = [...attributes.matchAll(/([A-Za-z:-]+)=/g)].map((match) => match[1]);
      if (new Set(names).size !== names.length) faults.push(`an attribute twice in ${whole}`);
      if (/&(?!(?:amp|lt|gt|quot);)/.test(attributes)) faults.push(`a bare & in ${whole}`);
      if (alone !== "/") open.push(name);
    }
  }
  if (open.length > 0) faults.push(`not closed: ${open.join(", ")}`);
  return { faults, texts };
}

function decode(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&");
}
