// The README's pictures, in both languages, from the demo: `make pictures`.
import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "@playwright/test";
import config from "./playwright.config.js";

const root = resolve(import.meta.dirname, "../../..");
const folder = join(root, "docs", "pictures");
const program = join(root, process.env.CARGO_TARGET_DIR ?? "target", "debug", "lockstep");
const demo = spawn(program, ["demo", "--json", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
const { value: first } = await createInterface({ input: demo.stdout })[Symbol.asyncIterator]().next();
const way = new URL(JSON.parse(first).page);
await mkdir(folder, { recursive: true });
const browser = await chromium.launch(config.use.launchOptions);
for (const locale of ["en", "zh-CN"]) {
  const context = await browser.newContext({ locale, timezoneId: "UTC", viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  await page.goto(way.href);
  for (const name of ["models", "prices", "history"]) {
    const address = `${way.origin}/sites/demo/${name}`;
    await page.goto(address);
    // What goes on behind the page is waited for.
    for (let tries = 0; tries < 60 && (await page.locator("#working").count()) > 0; tries++) {
      await page.waitForTimeout(500);
      await page.goto(address);
    }
    await page.screenshot({ path: join(folder, `${name}-${locale}.png`) });
  }
  await context.close();
}
await browser.close();
demo.kill("SIGTERM");
