import { enter, focused, reach, seen } from "../keys.js";
import { AFTER, PRICES, cancel, charges, open, openPrices, rests, settled, written } from "../steps.js";
import { expect, test } from "../world.js";

test("the lists are planned, looked at, chosen of and applied", async ({ page, server, gateway }) => {
  await open(page, server);
  // The first stop leads past the navigation.
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await enter(page, page.getByRole("button", { name: "Run All" }));
  await rests(page);
  expect(await gateway.writes()).toEqual([]);

  // A filter, an order and an opened row are swapped, and keep the focus.
  for (const id of ["show-planned", "sort-name", "open-1"]) {
    await reach(page, page.locator(`#${id}`));
    const swapped = page.waitForResponse((response) => response.url().includes("/models?"));
    await page.keyboard.press("Enter");
    await swapped;
    await expect.poll(() => focused(page)).toBe(id);
    await seen(page);
  }
  await expect(page.locator("tr.detail .name.add")).toHaveText("gpt-4.1");
  // A box is ticked where it is; only the count beside changes.
  const box = page.locator("#row-3 input[type=checkbox]");
  await reach(page, box);
  await page.keyboard.press("Space");
  await expect(page.getByRole("button", { name: "Apply Selected (1)" })).toBeVisible();
  await expect(box).toBeFocused();
  await seen(page);
  await page.keyboard.press("Space");
  await expect(page.getByRole("button", { name: "Apply Selected", exact: true })).toBeVisible();

  // A button that is gone with what it did leaves the focus where it was.
  await reach(page, page.locator("#take-all"));
  await page.keyboard.press("Enter");
  await expect(page.locator("#take-all")).toHaveCount(0);
  await expect.poll(() => focused(page)).toBe("table");
  await seen(page);
  await reach(page, page.locator("#take-none"));
  await page.keyboard.press("Enter");
  await expect(page.locator("#picked")).toHaveText("0 selected");
  await expect.poll(() => focused(page)).toBe("take-none");

  await open(page, server);
  await enter(page, page.getByRole("button", { name: "Apply 2 changes" }));
  await rests(page);
  expect(await written(gateway)).toEqual(AFTER);
});

test("the focus stays where it was when a run ends and the page is shown anew", async ({ page, server, gateway }) => {
  await open(page, server);
  await enter(page, page.getByRole("button", { name: "Preview", exact: true }));
  await rests(page);
  await enter(page, page.getByRole("button", { name: "Apply 2 changes" }));
  await rests(page);
  // Nothing of it ends before it is cancelled.
  await gateway.do("behave", { provider: "acme", manner: "slow", ms: 50_000 });
  for (const wanted of ["refresh", "main"]) {
    await open(page, server);
    await enter(page, page.getByRole("button", { name: "Run All" }));
    await expect(page.locator("#live progress")).toBeVisible();
    // The link is there afterwards too; the button that cancels is not.
    await reach(page, wanted === "refresh" ? page.locator("#refresh") : page.getByRole("button", { name: "Cancel" }));
    await cancel(page, server);
    await rests(page);
    await expect.poll(() => focused(page)).toBe(wanted);
    await seen(page);
  }
});

test.describe("prices", () => {
  test.use(PRICES);

  test("are fetched, reviewed, applied and undone", async ({ page, context, server, gateway }) => {
    await openPrices(page, context, server, gateway);
    await enter(page, page.getByRole("button", { name: /^Fetch/ }));
    await settled(page);
    // One value less, and more again, by Space.
    const count = page.locator("#picked");
    const chosen = await count.textContent();
    const box = page.locator("#rows tbody input[type=checkbox]").first();
    await reach(page, box);
    await page.keyboard.press("Space");
    await expect(count).not.toHaveText(chosen);
    await expect(box).toBeFocused();
    await page.keyboard.press("Space");
    await expect(count).toHaveText(chosen);
    await expect(box).toBeFocused();
    await enter(page, page.getByRole("button", { name: "Review 2" }));
    await settled(page);
    expect(await gateway.writes()).toEqual([]);
    await enter(page, page.getByRole("button", { name: "Apply 2" }));
    await settled(page);
    expect(await charges(gateway, "gpt-5")).toEqual({ input: 1.5, output: 12 });
    await enter(page, page.getByRole("button", { name: "Undo" }));
    await settled(page);
    await enter(page, page.getByRole("button", { name: /^Apply \d+$/ }));
    await settled(page);
    expect(await charges(gateway, "gpt-5")).toEqual({ input: 1.25, output: 10 });
  });
});
