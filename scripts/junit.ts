export interface TestCounts {
  passed: number;
  skipped: number;
  /** `file: group > title`. */
  failed: string[];
}

/** Reads the report that `bun test --reporter=junit` writes; an empty text (the runner died) counts nothing. */
export function readJunit(xml: string): TestCounts {
  const counts: TestCounts = { passed: 0, skipped: 0, failed: [] };
  for (const [, name = "", group = "", file = "", content = ""] of xml.matchAll(CASE)) {
    if (/<(failure|error)\b/.test(content)) counts.failed.push(plain(`${file}: ${group ? `${group} > ` : ""}${name}`));
    else if (content.includes("<skipped")) counts.skipped++;
    else counts.passed++;
  }
  return counts;
}

const CASE = /<testcase name="([^"]*)" classname="([^"]*)"[^>]*? file="([^"]*)"[^>]*?(?:\/>|>([^]*?)<\/testcase>)/g;

const ENTITIES: Record<string, string> = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&" };

function plain(text: string): string {
  return text.replace(/&(?:lt|gt|quot|apos|amp);/g, (entity) => ENTITIES[entity] ?? entity);
}
