import { PRICES, charges, openPrices, repriced, settled, texts } from "../steps.js";
import { CAST, expect, looksRight, test } from "../world.js";

test.use(PRICES);

test.beforeEach(async ({ page, context, server, gateway }) => {
  await openPrices(page, context, server, gateway);
});

/** Presses a button that leads to another page, and waits until that is there. */
async function press(page, name) {
  const there = page.waitForEvent("domcontentloaded");
  await page.getByRole("button", { name }).first().click();
  await there;
}

/** What is written when all that the shop proposes is: of one model the ratio alone differs, the other had none. */
const GPT = { ModelRatio: { "gpt-5": [0.625, 0.75] } };
const NEW = { ModelRatio: { "claude-new": [null, 2] }, CompletionRatio: { "claude-new": [null, 5] } };
const BOTH = { ModelRatio: { ...GPT.ModelRatio, ...NEW.ModelRatio }, CompletionRatio: NEW.CompletionRatio };

test("prices are fetched, reviewed, applied, read back and undone", async ({ page, gateway }) => {
  await press(page, /^Fetch/);
  await settled(page);
  await looksRight(page);
  await expect(page.locator("tbody")).toContainText("gpt-5");
  expect(await gateway.writes()).toEqual([]);
  await press(page, /^Review \d+$/);
  await settled(page);
  await looksRight(page);
  await expect(page.locator("tbody")).toContainText("$1.5");
  expect(await gateway.writes()).toEqual([]);
  await press(page, /^Apply \d+$/);
  await settled(page);
  await expect(page.getByText("Written and read back")).toBeVisible();
  expect(await repriced(gateway)).toEqual(BOTH);
  expect(await charges(gateway, "gpt-5")).toEqual({ input: 1.5, output: 12 });
  expect(await charges(gateway, "gpt-5-mini")).toEqual({ input: 0.25, output: 2 });
  await looksRight(page);
  await press(page, "Undo");
  await settled(page);
  await press(page, /^Apply \d+$/);
  await settled(page);
  expect(await charges(gateway, "gpt-5")).toEqual({ input: 1.25, output: 10 });
  expect(await charges(gateway, "claude-new")).toBe(null);
  // Each option has its very text again, to the letter.
  for (const [option, { before, after }] of Object.entries(await texts(gateway))) expect(after, option).toBe(before);
});

test("a plan that is written shows its bar, and its end without another page", async ({ page, gateway }) => {
  await press(page, /^Fetch/);
  await settled(page);
  await press(page, /^Review \d+$/);
  await settled(page);
  await gateway.do("slow_options", { ms: 4000 });
  await press(page, /^Apply \d+$/);
  await expect(page.locator("#live progress")).toBeVisible();
  await looksRight(page);
  await expect(page.getByRole("button", { name: /^Apply/ })).toHaveCount(0);
  // Another page would have forgotten it.
  await page.evaluate(() => (window.remembers = true));
  await expect(page.getByText("Written and read back")).toBeVisible({ timeout: 45_000 });
  await expect(page.locator("#live")).toHaveCount(0);
  expect(await page.evaluate(() => window.remembers)).toBe(true);
  await expect(page.getByRole("button", { name: "Undo" })).toBeVisible();
  expect(await repriced(gateway)).toEqual(BOTH);
});

test("the gateway's price page is asked afterwards where that is ticked", async ({ page }) => {
  await press(page, /^Fetch/);
  await settled(page);
  await press(page, /^Review \d+$/);
  await settled(page);
  await page.getByLabel("Ask the gateway's price page afterwards").check();
  await press(page, /^Apply \d+$/);
  await expect(page.getByText("price page bills by what was written")).toBeVisible({ timeout: 45_000 });
  await looksRight(page);
});

test("what moved between the review and the yes is shown again, and not written", async ({ page, gateway }) => {
  await press(page, /^Fetch/);
  await settled(page);
  await press(page, /^Review \d+$/);
  await settled(page);
  const ratios = Object.fromEntries(CAST.prices.map(({ model, input }) => [model, input / 2]));
  await gateway.do("option", { key: "ModelRatio", text: JSON.stringify({ ...ratios, "gpt-5": 7 }) });
  await press(page, /^Apply \d+$/);
  await settled(page);
  await expect(page.getByText(/moved meanwhile/)).toBeVisible();
  // The other one, which nobody touched, is written.
  expect(await repriced(gateway)).toEqual(NEW);
  expect((await charges(gateway, "gpt-5")).input).toBe(14);
});

test("a model without a price gets one", async ({ page, server, gateway }) => {
  await press(page, /^Fetch/);
  await settled(page);
  expect(await charges(gateway, "claude-new")).toBe(null);
  await page.goto(`${server.url}/sites/main/unpriced`);
  await settled(page);
  await looksRight(page);
  await page.getByLabel(/claude-new/).check();
  await press(page, /^Review/);
  await settled(page);
  await press(page, /^Apply \d+$/);
  await settled(page);
  expect(await repriced(gateway)).toEqual(NEW);
  expect(await charges(gateway, "claude-new")).toEqual({ input: 4, output: 20 });
  await page.goto(`${server.url}/sites/main/unpriced`);
  // What was known is shown at once; what is so now comes behind it.
  await settled(page);
  await expect(page.getByText("claude-new")).toHaveCount(0);
});

test("a source is tested before it is kept, and what is wrong is said", async ({ page, server, gateway, watch }) => {
  watch.expects(422);
  await page.getByRole("link", { name: "Price sources" }).click();
  await expect(page.getByText("shop").first()).toBeVisible();
  await looksRight(page);
  await page.locator("#url").fill(`${gateway.providers.acme}/nothing`);
  await page.locator("#url").press("Enter");
  await expect(page.locator(".bad-edge, .wrong").first()).toBeVisible();
  await page.goto(`${server.url}/sites/main/prices`);
});

test("what is pressed while the number of chosen rows is still counted counts", async ({ page, server }) => {
  await press(page, /^Fetch/);
  await settled(page);
  await page.goto(`${server.url}/sites/main/unpriced`);
  await settled(page);
  let counted;
  const held = new Promise((go) => (counted = go));
  await page.route(/\/unpriced\?/, async (route) => {
    await held;
    await route.continue();
  });
  await page.getByLabel(/claude-new/).check();
  await page.getByRole("button", { name: /^Review/ }).first().hover();
  await page.mouse.down();
  counted();
  await expect(page.locator("#picked")).toContainText("1");
  const there = page.waitForEvent("domcontentloaded");
  await page.mouse.up();
  await there;
  await settled(page);
  await expect(page.getByRole("button", { name: /^Apply 1$/ })).toBeVisible();
});
