import { AFTER, another, bring, leads, open, rests, runAll, said, through, written } from "../steps.js";
import { expect, looksRight, test } from "../world.js";

/** Presses a button, and tells the status of what it sends. */
async function pressed(page, button) {
  const answer = page.waitForResponse((response) => response.request().method() === "POST");
  await leads(page, () => button.click());
  return (await answer).status();
}

test("two admins who apply the same plan write it once, and the second is told", async ({ page, server, gateway, browser, watch }) => {
  watch.expects(409);
  await open(page, server);
  await through(page, "Preview");
  const other = await another(browser, server, watch);
  await open(other, server);
  const button = (of) => of.getByRole("button", { name: "Apply 2 changes" });
  await expect(button(page)).toBeVisible();
  await expect(button(other)).toBeVisible();
  expect(await pressed(page, button(page))).toBe(303);
  await rests(page);
  expect(await written(gateway)).toEqual(AFTER);
  // The page of the other one still shows the plan.
  expect(await pressed(other, button(other))).toBe(409);
  await expect(other.locator(".bad-edge").first()).toBeVisible();
  await expect(button(other)).toHaveCount(0);
  await looksRight(other);
  expect(await written(gateway)).toEqual(AFTER);
  await other.context().close();
});

test("two admins who apply at the same moment write it once", async ({ page, server, gateway, browser, watch }) => {
  watch.expects(409);
  await open(page, server);
  await through(page, "Preview");
  const other = await another(browser, server, watch);
  await open(other, server);
  const both = [page, other].map((of) => pressed(of, of.getByRole("button", { name: "Apply 2 changes" })));
  const statuses = await Promise.all(both);
  expect(statuses.filter((status) => status === 303)).toHaveLength(1);
  expect(statuses.filter((status) => status === 409)).toHaveLength(1);
  const told = statuses[0] === 409 ? page : other;
  await expect(told.locator(".bad-edge").first()).toBeVisible();
  await rests(page);
  await rests(other);
  await open(other, server);
  await rests(other);
  expect(await written(gateway)).toEqual(AFTER);
  await other.context().close();
});

test("of a form that is open while somebody else saves, nothing is kept until it is looked at again", async ({
  page,
  server,
  browser,
  watch,
}) => {
  watch.expects(409);
  const settings = `${server.url}/sites/main/settings`;
  const other = await another(browser, server, watch);
  await page.goto(settings);
  await other.goto(settings);
  const save = (of) => of.locator("form.stack .bar button");
  await page.locator("#burst").fill("6");
  expect(await pressed(page, save(page))).toBe(303);
  await other.locator("#burst").fill("8");
  await other.locator("#concurrency").fill("3");
  expect(await pressed(other, save(other))).toBe(409);
  await expect(said(other, "Somebody changed this meanwhile")).toBeVisible();
  // What is shown now is theirs.
  await expect(other.locator("#burst")).toHaveValue("6");
  await expect(other.locator("#concurrency")).toHaveValue("2");
  await looksRight(other);
  await page.reload();
  await expect(page.locator("#burst")).toHaveValue("6");
  await expect(page.locator("#concurrency")).toHaveValue("2");
  await other.locator("#concurrency").fill("3");
  expect(await pressed(other, save(other))).toBe(303);
  await page.reload();
  await expect(page.locator("#burst")).toHaveValue("6");
  await expect(page.locator("#concurrency")).toHaveValue("3");
  await other.context().close();
});

test("a hold that one answered cannot be answered by the other", async ({ page, server, gateway, browser, watch }) => {
  await bring(page, server);
  const before = await gateway.writes();
  await gateway.do("offer", { provider: "core", models: ["gemini-2.5-pro"] });
  await runAll(page, server);
  const other = await another(browser, server, watch);
  for (const of of [page, other]) {
    await open(of, server, "?show=held");
    await of.locator("#open-3").click();
    await expect(of.locator("tr.detail button[name=answer]")).toHaveCount(4);
  }
  const answer = (of, word) => of.locator(`tr.detail button[name=answer][value="${word}:3"]`);
  await leads(page, () => answer(page, "keep").click());
  await expect(said(page, "Saved")).toBeVisible();
  await leads(other, () => answer(other, "apply").click());
  await expect(said(other, "Nothing is held")).toBeVisible();
  await rests(other);
  await expect(other.locator("tr.detail button[name=answer]")).toHaveCount(0);
  await looksRight(other);
  expect(await gateway.writes()).toEqual(before);
  // The first answer holds.
  await runAll(other, server);
  expect(await gateway.writes()).toEqual(before);
  await other.context().close();
});

test("of a plan the chosen channels alone are applied", async ({ page, server, gateway }) => {
  await open(page, server);
  await through(page, "Preview");
  await page.locator("#row-3 input[type=checkbox]").check();
  const apply = page.getByRole("button", { name: "Apply Selected (1)" });
  await expect(apply).toBeVisible();
  await looksRight(page);
  await leads(page, () => apply.click());
  await rests(page);
  expect(await written(gateway)).toEqual([AFTER[1]]);
  await expect(page.locator("#row-3")).toContainText("+1");
  await looksRight(page);
});
