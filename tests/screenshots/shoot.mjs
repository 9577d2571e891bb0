// Takes the pictures of docs/images. A person opens the link on a phone and connects: it works, it is denied, the link is
// too old, the link was used before. `CHROMIUM=/path/to/it` names another browser than the one that npm brings.

import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import puppeteer from "puppeteer-core";

import { age, link, settings, start } from "./stack.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const IMAGES = join(ROOT, "docs/images");
// As wide as a phone, and as high as what is on it.
const PHONE = { width: 390, height: 320, deviceScaleFactor: 1.5, isMobile: true, hasTouch: true };
const LARGEST = 150 * 1024;

async function browser() {
  const own = process.env.CHROMIUM;
  if (own) return puppeteer.launch({ executablePath: own, args: ["--no-sandbox"] });
  const { default: chromium } = await import("@sparticuz/chromium");
  return puppeteer.launch({ executablePath: await chromium.executablePath(), args: chromium.args, headless: "shell" });
}

async function shoot(page, name, expected) {
  const seen = await page.$eval("main", (main) => main.textContent);
  if (!seen.includes(expected)) throw new Error(`${name}: the page says "${seen}", not "${expected}"`);
  const file = join(IMAGES, `${name}.png`);
  writeFileSync(file, await page.screenshot({ fullPage: true }));
  const { size } = statSync(file);
  if (size > LARGEST) throw new Error(`${name}: ${size} bytes are too many`);
  console.log(`docs/images/${name}.png  ${size} bytes`);
}

/** Opens a link and goes on to Withings, which consents or not as it is set. */
async function goOn(page, url) {
  await page.goto(url);
  await Promise.all([page.waitForNavigation(), page.click("button[value=continue]")]);
}

const stack = await start(join(ROOT, "target/debug/afferent-local"));
try {
  const chromium = await browser();
  try {
    mkdirSync(IMAGES, { recursive: true });
    const page = await chromium.newPage();
    await page.setViewport(PHONE);

    const url = await link(stack, "sample-person");
    await page.goto(url);
    await shoot(page, "link", "Continue");
    await goOn(page, url);
    await shoot(page, "link-connected", "Connected");
    await page.goto(url);
    await shoot(page, "link-twice", "used before");

    await settings(stack, { auto_consent: "deny" });
    await goOn(page, await link(stack, "somebody-else"));
    await shoot(page, "link-denied", "did not allow");

    const old = await link(stack, "somebody-late");
    await page.goto(old);
    if (!(await page.$("button[value=continue]"))) throw new Error("a new link does not ask");
    await age(stack, old);
    await page.goto(old);
    await shoot(page, "link-expired", "no longer valid");

    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
    await page.setExtraHTTPHeaders({ "accept-language": "de" });
    await page.goto(await link(stack, "jemand"));
    await shoot(page, "link-german-dark", "Weiter");
  } finally {
    await chromium.close();
  }
} finally {
  await stack.stop();
}
