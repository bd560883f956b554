// SPDX-License-Identifier: Apache-2.0
// Copyright The mod_oidc_gate authors
//
// node browser.mjs '{"chromium": "/usr/bin/chromium", "profile": "DIRECTORY"}'
//
// A real browser that does what it is told: one JSON command a line comes in, one JSON answer a line goes out. Commands:
//   {"do": "open", "url": URL, "headers": {}}   goes there; answers what a person sees then (see `seen`)
//   {"do": "type", "into": SELECTOR, "text": T} types into a field
//   {"do": "press", "what": SELECTOR}           presses a link or a button, and waits for the page that follows
//   {"do": "until", "url": PATTERN}             waits until the address is like that
//   {"do": "tab"}                               presses the Tab key; answers what has the focus, and how that shows
//   {"do": "look", "scheme": "light" or "dark", "width": N}   how the screen is
//   {"do": "check"}                             axe-core's violations. It comes in by the debugger, which no page's policy keeps out
//   {"do": "picture", "file": PATH}             a PNG
//   {"do": "forget"}                            another person: no cookie is left
//   {"do": "quit"}
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

import puppeteer from 'puppeteer-core';

const asked = JSON.parse(process.argv[2]);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const browser = await puppeteer.launch({
  executablePath: asked.chromium,
  userDataDir: asked.profile,
  // The sandbox wants privileges that a test's user may not have; what is opened here is our own.
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--no-proxy-server'],
});
const page = await browser.newPage();
page.setDefaultTimeout(20_000);

// Whether the browser held anything back: what a page's own policy forbids it to do to itself is a fault of the page.
const complaints = [];
page.on('console', (message) => { if (/Content Security Policy/.test(message.text())) complaints.push(message.text()); });
page.on('response', (response) => {
  if (response.request().isNavigationRequest() && response.frame() === page.mainFrame()) last = response;
});
let last;

// A page that leads on by itself is not where a person ends.
async function settle() {
  for (let tries = 0; tries < 100; tries++) {
    const moves = await page.evaluate(() => document.readyState !== 'complete'
      || !!document.querySelector('meta[http-equiv=refresh]')).catch(() => true);
    if (!moves) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the page does not settle');
}

async function seen() {
  await settle();
  return {
    url: page.url(), status: last?.status(), headers: last?.headers() ?? {}, title: await page.title(),
    text: await page.evaluate(() => document.body?.innerText ?? ''), complaints: complaints.splice(0),
  };
}

const commands = {
  async open({ url, headers }) {
    await page.setExtraHTTPHeaders(headers ?? {});
    await page.goto(url);
    return seen();
  },
  async type({ into, text }) { await page.type(into, text); },
  async press({ what }) {
    await Promise.all([page.waitForNavigation(), page.click(what)]);
    return seen();
  },
  async until({ url }) {
    await page.waitForFunction((pattern) => new RegExp(pattern).test(location.href) && document.readyState === 'complete', {}, url);
    return seen();
  },
  async tab() {
    await page.keyboard.press('Tab');
    return page.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return { text: document.activeElement.innerText, outline: `${outlineStyle} ${outlineWidth}` };
    });
  },
  async look({ scheme, width }) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await page.setViewport({ width: width ?? 1000, height: 700 });
    return { background: await page.evaluate(() => getComputedStyle(document.body).backgroundColor),
      scrolls: await page.evaluate(() => document.documentElement.scrollWidth > innerWidth) };
  },
  async check() {
    await page.evaluate(axe);
    const { violations, passes } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
    return { passes: passes.length,
      violations: violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(' ')}`) };
  },
  async picture({ file }) { await page.screenshot({ path: file }); },
  async forget() { await page.createCDPSession().then((cdp) => cdp.send('Network.clearBrowserCookies')); },
};

console.log(JSON.stringify({ ready: await browser.version() }));
for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...rest } = JSON.parse(line);
  if (name === 'quit') break;
  const answer = await commands[name](rest).catch((error) => ({ failed: String(error) }));
  console.log(JSON.stringify(answer ?? {}));
}
await browser.close();
process.exit(0);
