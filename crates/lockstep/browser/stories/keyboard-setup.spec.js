import { enter, reach, tick, type } from "../keys.js";
import { PRICES, openPrices, repriced, rests, said, settled } from "../steps.js";
import { expect, test } from "../world.js";

test.describe("a gateway", () => {
  test.use({ connected: false });

  test("is connected, and its mistake is mended where it stands", async ({ page, server, gateway, watch }) => {
    watch.expects(422);
    await enter(page, page.getByRole("link", { name: "Add a site" }).first());
    const field = (name) => page.locator(`#${name}`);
    const keep = page.locator("form.card button.first");
    const is = { name: "main", url: gateway.url, token: gateway.token };
    for (const [name, text] of Object.entries(is)) await type(page, field(name), text);
    await enter(page, keep);
    await expect(field("user_id-wrong")).toBeVisible();
    await expect(field("url")).toHaveValue(gateway.url);
    // A token that was typed is not shown again.
    for (const [name, text] of Object.entries({ token: gateway.token, user_id: "1" })) await type(page, field(name), text);
    await enter(page, keep);
    await expect(page).not.toHaveURL(/add/);
    const sites = await page.request.get(`${server.url}/api/v1/sites`);
    expect((await sites.json()).sites).toMatchObject([{ name: "main", url: gateway.url }]);
    expect(await gateway.writes()).toEqual([]);
  });
});

test("settings and the schedule are set, and the language is switched", async ({ page, server, gateway }) => {
  await page.goto(`${server.url}/sites/main/models`);
  await enter(page, page.getByRole("button", { name: "Preview", exact: true }));
  await rests(page);
  await page.goto(`${server.url}/sites/main/settings`);
  const part = page.locator("fieldset").filter({ has: page.locator("[name=models-on]") });
  await tick(page, part.locator("[name=models-on]"));
  await type(page, part.locator("[name=models-hours]"), "7");
  await type(page, page.locator("#burst"), "6");
  // A part that is folded is unfolded where it stands.
  const guards = page.locator("details.card").filter({ has: page.locator("#limit-removal") });
  await reach(page, guards.locator("> summary"));
  await page.keyboard.press("Enter");
  await type(page, page.locator("#limit-removal"), "31");
  await enter(page, page.locator("form.stack .bar button"));
  await expect(said(page, "Saved")).toBeVisible();
  const { settings } = await (await page.request.get(`${server.url}/api/v1/sites/main/settings`)).json();
  const value = (key) => settings.find((setting) => setting.key === key).value;
  expect([value("burst"), value("limit-removal")]).toEqual([6, 31]);
  const { schedules } = await (await page.request.get(`${server.url}/api/v1/sites/main/schedules`)).json();
  expect(schedules.filter((schedule) => schedule.on)).toMatchObject([{ subject: "models", every_hours: 7 }]);

  for (const [name, language] of [
    ["简体中文", "zh-CN"],
    ["English", "en"],
  ]) {
    await enter(page, page.getByRole("button", { name }).first());
    await expect(page.locator("html")).toHaveAttribute("lang", language);
    await expect(page).toHaveURL(/\/settings$/);
  }
  expect(await gateway.writes()).toEqual([]);
});

test.describe("a model without a price", () => {
  test.use(PRICES);

  test("gets one", async ({ page, context, server, gateway }) => {
    await openPrices(page, context, server, gateway);
    await enter(page, page.getByRole("button", { name: /^Fetch/ }));
    await settled(page);
    await page.goto(`${server.url}/sites/main/unpriced`);
    await settled(page);
    await tick(page, page.getByLabel(/claude-new/));
    await enter(page, page.getByRole("button", { name: /^Review/ }));
    await settled(page);
    await enter(page, page.getByRole("button", { name: /^Apply \d+$/ }));
    await settled(page);
    expect(await repriced(gateway)).toEqual({
      ModelRatio: { "claude-new": [null, 2] },
      CompletionRatio: { "claude-new": [null, 5] },
    });
  });
});
