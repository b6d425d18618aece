import { AFTER, PRICES, bring, charges, leads, open, openPrices, rests, settled, through, written } from "../steps.js";
import { expect, looksRight, test } from "../world.js";

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

test.use(PHONE);

/** The page breaks no rule, and neither it nor a table in it is wider than the phone. */
async function fits(page) {
  await looksRight(page);
  const wide = await page.evaluate(() => {
    const regions = [...document.querySelectorAll(".scroll:has(> table.stack)")];
    return regions.filter((region) => region.scrollWidth > region.clientWidth).map((region) => region.ariaLabel);
  });
  expect(wide).toEqual([]);
}

/** Taps what leads to another page. */
function taps(page, target) {
  return leads(page, () => target.tap());
}

/** The numbers of the channels, in the order of the rows. */
function order(page) {
  return page.locator("#rows tbody tr[id^=row-]").evaluateAll((rows) => rows.map((row) => row.id.slice(4)).join());
}

test("the first run is looked at, opened and applied", async ({ page, server, gateway }) => {
  await page.goto(server.url);
  await fits(page);
  await taps(page, page.getByRole("link", { name: "Model sync", exact: true }));
  await fits(page);
  await taps(page, page.getByRole("button", { name: "Run All" }));
  await rests(page);
  expect(await gateway.writes()).toEqual([]);
  await fits(page);
  await page.locator("#open-1").tap();
  await expect(page.locator("tr.detail .name.add")).toHaveText("gpt-4.1");
  await fits(page);
  await taps(page, page.getByRole("button", { name: "Apply 2 changes" }));
  await rests(page);
  await expect(page.locator("#row-1")).toContainText("+1");
  expect(await written(gateway)).toEqual(AFTER);
  await fits(page);
});

test("rows are sorted, filtered, searched and chosen although the heads of columns are not shown", async ({ page, server, gateway }) => {
  await bring(page, server);
  await expect(page.locator("#sort-name")).toBeHidden();
  await expect(page.locator("#by-sort")).toBeVisible();
  expect(await order(page)).toBe("1,2,3,4");
  await page.locator("#by-sort").selectOption({ label: "Channel Name, descending" });
  await expect(page).toHaveURL(/sort=-name/);
  await expect.poll(() => order(page)).toBe("4,3,2,1");
  await expect(page.locator("#by-sort")).toHaveValue("-name");
  // Another filter keeps the order.
  await page.locator("#show-success").tap();
  await expect(page).toHaveURL(/show=success/);
  await expect(page).toHaveURL(/sort=-name/);
  await page.locator("#show-all").tap();
  await expect(page).not.toHaveURL(/show=/);
  await page.locator("#q").fill("co");
  await page.locator("#seek").tap();
  await expect.poll(() => order(page)).toBe("3");
  await fits(page);
  await gateway.do("offer", { provider: "core", models: ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.0-flash"] });
  await page.locator("#row-3 input[type=checkbox]").tap();
  const run = page.getByRole("button", { name: "Run Selected (1)" });
  await expect(run).toBeVisible();
  await taps(page, run);
  await rests(page);
  expect(await gateway.models(3)).toEqual(["gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.0-flash"]);
});

test("a hold is answered", async ({ page, server, gateway }) => {
  await bring(page, server);
  await gateway.do("offer", { provider: "core", models: ["gemini-2.5-pro"] });
  await through(page, "Run All");
  await expect(page.locator("#row-3")).toContainText(/held/i);
  await page.locator("#open-3").tap();
  await expect(page.locator("tr.detail button[name=answer]")).toHaveCount(4);
  await fits(page);
  await taps(page, page.locator('tr.detail button[name=answer][value="apply:3"]'));
  await rests(page);
  await expect.poll(() => gateway.models(3)).toEqual(["gemini-2.5-pro"]);
  await fits(page);
});

test.describe("prices", () => {
  test.use(PRICES);

  test("are fetched, chosen, reviewed, applied and undone", async ({ page, context, server, gateway }) => {
    await openPrices(page, context, server, gateway);
    await fits(page);
    await taps(page, page.getByRole("button", { name: /^Fetch/ }));
    await settled(page);
    await fits(page);
    await page.locator("#by-sort").selectOption({ label: "Model, descending" });
    await expect(page).toHaveURL(/sort=-model/);
    await expect(page.locator("#rows tbody tr").first()).toContainText("gpt-5");
    // A column is chosen as a whole, as by the heads that are not shown.
    await page.locator("#take-none").tap();
    await expect(page.getByRole("button", { name: "Choose values first" })).toBeVisible();
    await page.getByRole("button", { name: /^shop: Select \d+$/ }).tap();
    const review = page.getByRole("button", { name: "Review 2" });
    await expect(review).toBeVisible();
    await fits(page);
    await taps(page, review);
    await settled(page);
    await fits(page);
    expect(await gateway.writes()).toEqual([]);
    await taps(page, page.getByRole("button", { name: "Apply 2" }));
    await settled(page);
    await expect(page.getByText("Written and read back")).toBeVisible();
    expect(await charges(gateway, "gpt-5")).toEqual({ input: 1.5, output: 12 });
    await fits(page);
    await taps(page, page.getByRole("button", { name: "Undo" }));
    await settled(page);
    await fits(page);
    await taps(page, page.getByRole("button", { name: /^Apply \d+$/ }));
    await settled(page);
    expect(await charges(gateway, "gpt-5")).toEqual({ input: 1.25, output: 10 });
    expect(await charges(gateway, "claude-new")).toBe(null);
  });
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("rows are sorted by a choice and a button", async ({ page, server }) => {
    await page.goto(`${server.url}/sites/main/channels`);
    await open(page, server);
    await taps(page, page.getByRole("button", { name: "Preview", exact: true }));
    await expect(async () => {
      await open(page, server);
      await expect(page.getByRole("button", { name: "Apply 2 changes" })).toBeVisible({ timeout: 500 });
    }).toPass();
    await page.locator("#by-sort").selectOption("-id");
    await taps(page, page.getByRole("button", { name: "Go", exact: true }));
    await expect(page).toHaveURL(/sort=-id/);
    await expect(page.locator("#rows tbody tr[id^=row-]").first()).toHaveAttribute("id", "row-4");
    await expect(page.locator("#by-sort")).toHaveValue("-id");
  });
});
