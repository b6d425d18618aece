import { expect, looksRight, test as base } from "../world.js";

/** A page of the demo, which has weeks of history, what waits, what failed, and sources. */
const test = base.extend({
  page: async ({ browser, demo, watch, colorScheme, viewport }, use) => {
    const context = watch.on(await browser.newContext({ colorScheme, viewport, locale: "en-US", timezoneId: "UTC" }));
    const page = await context.newPage();
    await page.goto(demo.way);
    await use(page);
    watch.over = true;
    await context.close();
  },
});

/** Everything there is to be looked at, by what the pages lead to. */
async function pages(page, demo) {
  const site = `${demo.url}/sites/demo`;
  const leads = async (from, selector) => {
    await page.goto(from);
    const link = page.locator(selector).first();
    await expect(link).toBeAttached();
    return new URL(await link.getAttribute("href"), demo.url).href;
  };
  const open = async (from) => {
    await page.goto(from);
    const button = page.locator("button[name=open]").first();
    await expect(button).toBeAttached();
    return `${from}${from.includes("?") ? "&" : "?"}open=${await button.getAttribute("value")}`;
  };
  const runs = "#rows tbody tr a[href*='/history/']";
  const models = await leads(`${site}/history?subject=models`, runs);
  const prices = await leads(`${site}/history?subject=prices`, runs);
  const channel = await leads(`${site}/channels`, "#rows tbody a[href*='/channels/']");
  return [
    `${demo.url}/`,
    `${demo.url}/sites/add`,
    `${site}/models`,
    await open(`${site}/models?show=held`),
    `${site}/models?group=provider`,
    `${site}/channels`,
    channel,
    `${site}/prices`,
    `${site}/prices?unit=ratios`,
    `${site}/prices/sources`,
    `${site}/prices/held`,
    `${site}/unpriced`,
    `${site}/history`,
    models,
    await open(models),
    prices,
    await leads(prices, "#rows a[href*='/history/prices/']"),
    channel.replace("/channels/", "/history/channels/"),
    `${site}/settings`,
    `${demo.url}/settings/notices`,
    `${demo.url}/settings/access`,
  ];
}

// In light colours, and between these widths, the other stories look at pages as they fill them.
for (const width of [360, 2560]) {
  test.describe(`dark at ${width} px`, () => {
    test.use({ colorScheme: "dark", viewport: { width, height: 900 } });

    test("every page of a site with a past is accessible and fits", async ({ page, demo }) => {
      test.slow();
      for (const address of await pages(page, demo)) {
        await test.step(address, async () => {
          await page.goto(address);
          await looksRight(page);
        });
      }
    });
  });
}

test.describe("on paper", () => {
  // As wide as A4.
  test.use({ viewport: { width: 794, height: 1123 }, colorScheme: "dark" });

  test("a page has its table, and nothing to press", async ({ page, demo }) => {
    const site = `${demo.url}/sites/demo`;
    await page.emulateMedia({ media: "print" });
    for (const path of ["models", "channels", "prices/held", "history", "unpriced", "settings"]) {
      await page.goto(`${site}/${path}`);
      await expect(page.locator("h1")).toBeVisible();
      if (path !== "settings") {
        await expect(page.locator("#rows thead")).toBeVisible();
        const row = page.locator("#rows tbody tr").first();
        await expect(row).toBeVisible();
        expect(await row.evaluate((tr) => getComputedStyle(tr).display)).toBe("table-row");
        expect((await row.innerText()).trim()).not.toBe("");
      }
      await expect(page.locator(".nav, .button, .link, input[type=search], td.pickcell").filter({ visible: true })).toHaveCount(0);
      expect(await page.evaluate(() => getComputedStyle(document.body).color)).toBe("rgb(23, 27, 34)");
    }
  });
});
