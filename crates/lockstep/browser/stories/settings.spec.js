import { open, rests, said, through } from "../steps.js";
import { expect, looksRight, test } from "../world.js";

/** Numbers with what they can be, what they should be, and what goes wrong outside of it. */
const NUMBERS = [
  { key: "requests-per-minute", hard: [1, 120], good: [10, 30], outside: "429 errors" },
  { key: "burst", hard: [1, 60], good: [3, 10], outside: "taken for an attack" },
  { key: "concurrency", hard: [1, 8], good: [1, 3], outside: "load the gateway" },
  { key: "max-retries", hard: [0, 5], good: [2, 5], outside: "give up on short network trouble" },
];

test.beforeEach(async ({ page, server }) => {
  await page.goto(`${server.url}/sites/main/settings`);
});

/** The settings that hold, by the API. */
async function stored(page, server) {
  const told = await page.request.get(`${server.url}/api/v1/sites/main/settings`);
  const { settings } = await told.json();
  return Object.fromEntries(settings.map(({ key, value }) => [key, value]));
}

/** The schedules that are on, by the API. */
async function schedules(page, server) {
  const told = await page.request.get(`${server.url}/api/v1/sites/main/schedules`);
  const { schedules } = await told.json();
  return schedules.filter((schedule) => schedule.on);
}

/** Sends the form of all settings. */
async function save(page) {
  const answer = page.waitForResponse((response) => response.request().method() === "POST");
  await page.locator("form.stack .bar button").click();
  return (await answer).status();
}

test("what a number can be and should be, and what goes wrong outside, stands at its field", async ({ page }) => {
  for (const { key, hard, good, outside } of NUMBERS) {
    const told = page.locator(`#${key}-ranges`);
    await expect(told).toContainText(`Recommended: ${good[0]} to ${good[1]}`);
    await expect(told).toContainText(`Possible: ${hard[0]} to ${hard[1]}`);
    await expect(told).toContainText(outside);
    await expect(page.locator(`#${key}`)).toHaveAttribute("aria-describedby", new RegExp(`${key}-ranges`));
  }
});

for (const { key, hard } of NUMBERS) {
  test(`${key} below and above what it can be is refused at its field, and nothing of the form is kept`, async ({ page, server, watch }) => {
    watch.expects(422);
    const before = await stored(page, server);
    for (const value of [hard[0] - 1, hard[1] + 1]) {
      await page.locator(`#${key}`).fill(String(value));
      // What is right beside it waits too.
      await page.locator("#channel-timeout").fill("61");
      expect(await save(page)).toBe(422);
      await expect(said(page, "Not saved")).toBeVisible();
      const field = page.locator(`#${key}`);
      await expect(page.locator(`#${key}-wrong`)).toContainText(`is ${value}; it can be ${hard[0]} to ${hard[1]}`);
      await expect(field).toHaveAttribute("aria-invalid", "true");
      await expect(field).toHaveAttribute("aria-describedby", new RegExp(`${key}-wrong`));
      await expect(field).toHaveValue(String(value));
      await expect(page.locator("#channel-timeout")).toHaveValue("61");
      expect(await stored(page, server)).toEqual(before);
    }
    await looksRight(page);
    await page.getByRole("link", { name: "Cancel" }).click();
    await expect(page.locator(`#${key}`)).toHaveValue(String(before[key]));
  });
}

test("the edges are taken, and what is beyond the recommended is warned of", async ({ page, server }) => {
  for (const end of [0, 1]) {
    for (const { key, hard } of NUMBERS) await page.locator(`#${key}`).fill(String(hard[end]));
    expect(await save(page)).toBe(303);
    await expect(said(page, "Saved")).toBeVisible();
    const now = await stored(page, server);
    for (const { key, hard, good, outside } of NUMBERS) {
      expect(now[key]).toBe(hard[end]);
      const warning = page.locator(`#${key}-wrong.warned`);
      if (hard[end] === good[end]) {
        await expect(warning).toHaveCount(0);
      } else {
        await expect(warning).toContainText(`${hard[end]} is outside the recommended ${good[0]} to ${good[1]}`);
        await expect(warning).toContainText(outside);
      }
    }
    await looksRight(page);
  }
  for (const { key, good } of NUMBERS) await page.locator(`#${key}`).fill(String(good[1]));
  expect(await save(page)).toBe(303);
  await expect(said(page, "Saved")).toBeVisible();
  await expect(page.locator(".warned")).toHaveCount(0);
});

test("what is wrong in a folded part is unfolded, and no number at all is wrong too", async ({ page, server, watch }) => {
  watch.expects(422);
  const before = await stored(page, server);
  const guards = page.locator("details.card").filter({ has: page.locator("#limit-removal") });
  await guards.locator("> summary").click();
  await page.locator("#limit-removal").fill("101");
  await page.locator("#burst").fill("");
  expect(await save(page)).toBe(422);
  await expect(page.locator("#limit-removal-wrong")).toContainText("it can be 0 to 100");
  await expect(page.locator("#limit-removal-wrong")).toBeVisible();
  await expect(page.locator("#burst-wrong")).toBeVisible();
  expect(await stored(page, server)).toEqual(before);
});

test("auto-sync is switched on after a first plan was looked at, tells its next time, and is switched off", async ({
  page,
  server,
  gateway,
  watch,
}) => {
  watch.expects(422);
  const part = page.locator("fieldset").filter({ has: page.locator("[name=models-on]") });
  const on = part.locator("[name=models-on]");
  await expect(on).toBeDisabled();
  await expect(part).toContainText("Auto-sync can be switched on once a first plan was reviewed.");
  await part.getByRole("link", { name: "Review a plan" }).click();
  await expect(page).toHaveURL(/\/models$/);
  await through(page, "Preview");
  await expect(page.getByRole("button", { name: "Apply 2 changes" })).toBeVisible();
  await expect(page.locator("#main")).toContainText("Auto-sync is off");

  await page.goto(`${server.url}/sites/main/settings`);
  const hours = part.locator("[name=models-hours]");
  for (const outside of ["0", "25"]) {
    await on.check();
    await hours.fill(outside);
    expect(await save(page)).toBe(422);
    await expect(part.locator(".wrong")).toContainText("Possible: 1 to 24");
    await expect(hours).toHaveAttribute("aria-invalid", "true");
    await expect(hours).toHaveValue(outside);
    await expect(on).toBeChecked();
    expect(await schedules(page, server)).toEqual([]);
  }
  await looksRight(page);

  // The next run comes so many hours from now, put off by at most a tenth of that and ten minutes.
  const HOUR = 3_600_000;
  for (const every of [1, 7, 24]) {
    const before = Date.now();
    await hours.fill(String(every));
    expect(await save(page)).toBe(303);
    await expect(said(page, "Saved")).toBeVisible();
    const next = Date.parse(await part.locator("time").getAttribute("datetime"));
    expect(next).toBeGreaterThanOrEqual(before + every * HOUR);
    expect(next).toBeLessThanOrEqual(Date.now() + every * HOUR + Math.min((every * HOUR) / 10, 600_000));
    // 6 to 12 hours are recommended.
    await expect(part.locator(".warned")).toHaveCount(every === 7 ? 0 : 1);
    expect(await schedules(page, server)).toMatchObject([{ subject: "models", every_hours: every }]);
  }
  await looksRight(page);
  const next = await part.locator("time").getAttribute("datetime");
  for (const path of ["/sites/main/models", "/"]) {
    await page.goto(server.url + path);
    await expect(page.locator(`time[datetime="${next}"]`)).toBeVisible();
  }
  await page.goto(`${server.url}/sites/main/models`);
  await expect(page.locator("#main")).toContainText("Auto-sync every 24 h");

  await page.goto(`${server.url}/sites/main/settings`);
  await on.uncheck();
  expect(await save(page)).toBe(303);
  await expect(part.locator("time")).toHaveCount(0);
  expect(await schedules(page, server)).toEqual([]);
  await open(page, server);
  await expect(page.locator("#main")).toContainText("Auto-sync is off");
  await rests(page);
  expect(await gateway.writes()).toEqual([]);
});
