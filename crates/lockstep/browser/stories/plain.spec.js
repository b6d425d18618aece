import { AFTER, PRICES, charges, leads, open, openPrices, settled, written } from "../steps.js";
import { expect, test } from "../world.js";

// A browser that runs no script: every press is a page of its own.
test.use({ javaScriptEnabled: false });

/** Presses a button of this name. */
function press(page, name) {
  return leads(page, () => page.getByRole("button", { name }).first().click());
}

/** Loads the page again until it shows this. */
async function shows(page, wanted) {
  await expect(async () => {
    await page.reload();
    await expect(wanted).toBeVisible({ timeout: 500 });
  }).toPass();
}

test("a run is taken back in part and as a whole", async ({ page, server, gateway }) => {
  await open(page, server);
  await press(page, "Preview");
  await open(page, server);
  await shows(page, page.getByRole("button", { name: "Apply 2 changes" }));
  await press(page, "Apply 2 changes");
  await expect.poll(() => written(gateway)).toEqual(AFTER);
  await page.goto(`${server.url}/sites/main/history`);
  await shows(page, page.locator("#rows tbody tr").first().getByText("Done"));
  await leads(page, () => page.locator("#rows tbody tr").first().getByRole("link").click());
  const run = page.url();
  // What is ticked is sent with the press: the number on the button is that of the last page.
  await page.locator("#row-1 input[type=checkbox]").check();
  await press(page, /^Undo the chosen/);
  await shows(page, page.getByRole("button", { name: "Apply 1 change" }));
  await press(page, "Apply 1 change");
  await expect.poll(() => gateway.models(1)).toEqual(["gpt-5", "gpt-5-mini"]);
  expect(await gateway.models(3)).toContain("gemini-2.5-flash-lite");
  await shows(page, page.getByText("Done").first());
  await page.goto(run);
  await press(page, "Undo the whole run");
  await shows(page, page.getByRole("button", { name: /^Apply \d changes?$/ }));
  await press(page, /^Apply \d changes?$/);
  await expect.poll(() => gateway.models(3)).toEqual(["gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.0-flash"]);
  expect(await gateway.models(1)).toEqual(["gpt-5", "gpt-5-mini"]);
});

test("of a plan the chosen channels alone are applied", async ({ page, server, gateway }) => {
  await open(page, server);
  await press(page, "Preview");
  await open(page, server);
  await shows(page, page.getByRole("button", { name: "Apply Selected" }));
  await press(page, "Apply Selected");
  await expect(page.getByText("Please select at least one channel")).toBeVisible();
  await page.locator("#row-3 input[type=checkbox]").check();
  await press(page, "Apply Selected");
  await expect.poll(() => written(gateway)).toEqual([AFTER[1]]);
});

test.describe("prices", () => {
  test.use(PRICES);

  test("are fetched, chosen, reviewed, applied, read back and undone", async ({ page, context, server, gateway }) => {
    await openPrices(page, context, server, gateway);
    await press(page, /^Fetch/);
    await settled(page);
    // The proposals are chosen; one of them is taken away by hand.
    const boxes = page.getByRole("checkbox", { name: /claude-new/ });
    expect(await boxes.count()).toBeGreaterThan(0);
    for (const box of await boxes.all()) await box.uncheck();
    await press(page, /^Review \d+$/);
    await settled(page);
    await expect(page.locator("#rows tbody")).toContainText("$1.5");
    await expect(page.locator("#rows tbody")).not.toContainText("claude-new");
    expect(await gateway.writes()).toEqual([]);
    await press(page, "Apply 1");
    await settled(page);
    await expect(page.getByText("Written and read back")).toBeVisible();
    expect(await charges(gateway, "gpt-5")).toEqual({ input: 1.5, output: 12 });
    expect(await charges(gateway, "claude-new")).toBe(null);
    await press(page, "Undo");
    await settled(page);
    await press(page, "Apply 1");
    await settled(page);
    expect(await charges(gateway, "gpt-5")).toEqual({ input: 1.25, output: 10 });
  });
});
