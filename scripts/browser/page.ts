import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Page extends AsyncDisposable {
  /** Goes to an address. */
  go(url: string): Promise<void>;
  /** All text that one can see, once each of these is in it. @throws Error with what is seen instead, when the time is over */
  see(...texts: string[]): Promise<string>;
  click(selector: string): Promise<void>;
  screenshot(file: string): Promise<void>;
}

const PATIENCE_MS = 45_000;

/** What a browser does in a network of its own accord. */
const QUIET = ["--disable-sync", "--disable-component-update", "--disable-domain-reliability", "--disable-quic", "--disable-default-apps"];

/** A page in a headless browser of its own, which reaches this machine only. One at a time in a process: Bun starts one browser. */
export function openPage(chromium: string): Page {
  const profile = mkdtempSync(join(tmpdir(), "coffer-chromium-"));
  const view = new Bun.WebView({
    width: 1400,
    height: 1500,
    dataStore: { directory: profile },
    backend: {
      type: "chrome",
      url: false,
      path: chromium,
      // a sandbox needs user namespaces, which containers and CI do not always give; /dev/shm may be small there
      argv: [
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--lang=en-US",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ...QUIET,
      ],
    },
  });
  const text = async (): Promise<string> => String(await view.evaluate("document.body.innerText"));
  return {
    async go(url) {
      const [there, part] = url.split("#", 2);
      // what changes behind the # alone loads nothing, and no navigation would ever be over: the page's own script follows it
      if (part !== undefined && there === view.url.split("#", 1)[0]) await view.evaluate(`location.hash = ${JSON.stringify(part)}`);
      else await view.navigate(url);
    },
    async see(...texts) {
      const deadline = performance.now() + PATIENCE_MS;
      for (;;) {
        const seen = await text();
        const missing = texts.filter((wanted) => !seen.includes(wanted));
        if (missing.length === 0) return seen;
        if (performance.now() > deadline)
          throw new Error(`${view.url} does not show “${missing.join("”, “")}” but:\n${seen.slice(0, 3000)}`);
        await Bun.sleep(100);
      }
    },
    click: (selector) => view.click(selector, { timeout: PATIENCE_MS }),
    screenshot: async (file) => void (await Bun.write(file, await view.screenshot())),
    async [Symbol.asyncDispose]() {
      view.close();
      Bun.WebView.closeAll();
      // its processes write to it until they are gone
      rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}
