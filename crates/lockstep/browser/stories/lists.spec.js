import { AFTER, bring, leads, open, rests, written } from "../steps.js";
import { CAST, expect, looksRight, test } from "../world.js";

test("the first run is looked at and applied in two clicks", async ({ page, server, gateway }) => {
  await open(page, server);
  await expect(page.getByText("The sync operation will directly modify").first()).toBeVisible();
  await page.getByRole("button", { name: "Run All" }).click();
  await rests(page);
  // Even Run All shows its first plan: nothing is written yet.
  expect(await gateway.writes()).toEqual([]);
  await looksRight(page);
  await page.getByRole("button", { name: "Apply 2 changes" }).click();
  await rests(page);
  await expect(page.locator("#row-1")).toContainText("+1");
  expect(await written(gateway)).toEqual(AFTER);
  await looksRight(page);
});

test("a run over all shows its progress, survives a reload, and is cancelled", async ({ page, server, gateway }) => {
  await bring(page, server);
  const before = await gateway.writes();
  for (const provider of ["acme", "bolt", "core"]) await gateway.do("behave", { provider, manner: "slow", ms: 6000 });
  await gateway.do("offer", { provider: "bolt", models: ["claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5"] });
  await page.getByRole("button", { name: "Run All" }).click();
  await expect(page.locator("#live progress")).toBeVisible();
  await looksRight(page);
  await page.reload();
  await expect(page.locator("#live progress")).toBeVisible();
  await page.getByRole("button", { name: "Cancel" }).click();
  await rests(page);
  expect(await gateway.writes()).toEqual(before);
});

test("a second tab sees the same run, and another admin is told that it is under way", async ({ page, server, gateway, context }) => {
  await bring(page, server);
  await gateway.do("behave", { provider: "acme", manner: "slow", ms: 4000 });
  const other = await context.newPage();
  await open(other, server);
  await page.getByRole("button", { name: "Run All" }).click();
  await expect(page.locator("#live progress")).toBeVisible();
  // The page of the other one is older than the run.
  await other.getByRole("button", { name: "Run All" }).click();
  await expect(other.locator(".bad-edge, #live").first()).toBeVisible();
  await open(other, server);
  await expect(other.locator("#live progress")).toBeVisible();
  await rests(page);
  await rests(other);
});

test("a run goes on over a restart of the server, and the page with it", async ({ page, server, gateway }) => {
  await bring(page, server);
  await gateway.do("behave", { provider: "core", manner: "slow", ms: 3000 });
  await gateway.do("offer", { provider: "acme", models: ["gpt-5", "gpt-5-mini", "gpt-4.1", "gpt-4.1-mini"] });
  await gateway.do("option", { key: "ModelRatio", text: await priced(gateway) });
  await page.getByRole("button", { name: "Run All" }).click();
  await expect(page.locator("#live progress")).toBeVisible();
  await server.again("SIGKILL");
  await open(page, server);
  await rests(page);
  await open(page, server);
  await expect.poll(() => gateway.models(1), { timeout: 45_000 }).toContain("gpt-4.1-mini");
});

/** The gateway's ratios, with one for each model that stories bring. */
async function priced() {
  const ratios = Object.fromEntries(CAST.prices.map(({ model, input }) => [model, input / 2]));
  return JSON.stringify({ ...ratios, "gpt-4.1-mini": 0.2 });
}

test("results are filtered, searched, opened, retried and synced one by one", async ({ page, server, gateway }) => {
  await gateway.do("behave", { provider: "bolt", manner: "other_key" });
  await bring(page, server);
  await page.locator("#show-failed").click();
  await expect(page.locator("tbody tr[id^=row-]")).toHaveCount(1);
  await expect(page).toHaveURL(/show=failed/);
  await expect(page.locator("#row-2")).toContainText("401");
  await page.reload();
  await expect(page.locator("tbody tr[id^=row-]")).toHaveCount(1);
  await page.locator("#show-all").click();
  await expect(page.locator("tbody tr[id^=row-]")).toHaveCount(4);
  await page.locator("#q").fill("cor");
  await page.locator("#q").press("Enter");
  await expect(page.locator("tbody tr[id^=row-]")).toHaveCount(1);
  await expect(page.locator("#row-3")).toBeVisible();
  await page.locator("#open-3").click();
  await expect(page.getByText("Old Model List")).toBeVisible();
  await expect(page.locator("tr.detail .name.add")).toHaveText("gemini-2.5-flash-lite");
  await looksRight(page);

  await gateway.do("behave", { provider: "bolt", manner: "well" });
  await open(page, server);
  await page.getByRole("button", { name: "Retry Failed Only" }).click();
  await rests(page);
  await expect(page.locator("#show-failed")).toContainText("0");
  await gateway.do("offer", { provider: "bolt", models: ["claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5"] });
  await page.getByRole("button", { name: "Sync this channel Bolt" }).click();
  await rests(page);
  expect(await gateway.models(2)).toEqual(["claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5"]);
});

test("chosen channels alone are asked", async ({ page, server, gateway }) => {
  await bring(page, server);
  await gateway.do("offer", { provider: "acme", models: ["gpt-5", "gpt-5-mini", "gpt-4.1", "gemini-2.5-pro"] });
  await gateway.do("offer", { provider: "bolt", models: ["claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5"] });
  await open(page, server);
  await page.locator("#row-2 input[type=checkbox]").check();
  await page.getByRole("button", { name: "Run Selected (1)" }).click();
  await rests(page);
  expect(await gateway.models(2)).toContain("gpt-5");
  expect(await gateway.models(1)).not.toContain("gemini-2.5-pro");
});

test.describe("what is held", () => {
  for (const answer of ["apply", "keep", "allow", "never"]) {
    test(`is answered with ${answer}`, async ({ page, server, gateway }) => {
      await bring(page, server);
      const before = await gateway.writes();
      await gateway.do("offer", { provider: "core", models: ["gemini-2.5-pro"] });
      await page.getByRole("button", { name: "Run All" }).click();
      await rests(page);
      await expect(page.locator("#row-3")).toContainText(/held/i);
      expect(await gateway.writes()).toEqual(before);
      await page.locator("#open-3").click();
      const answers = page.locator("tr.detail button[name=answer]");
      await expect(answers).toHaveCount(4);
      await looksRight(page);
      await page.locator(`tr.detail button[name=answer][value="${answer}:3"]`).click();
      await rests(page);
      const held = answer === "apply" ? ["gemini-2.5-pro"] : null;
      if (held) {
        await expect.poll(() => gateway.models(3)).toEqual(held);
      } else {
        expect(await gateway.writes()).toEqual(before);
        await open(page, server);
        await page.getByRole("button", { name: "Run All" }).click();
        await rests(page);
        if (answer === "allow") await expect.poll(() => gateway.models(3)).toEqual(["gemini-2.5-pro"]);
        else expect(await gateway.writes()).toEqual(before);
      }
    });
  }
});

test("the numbers of the navigation follow a run that ends on the page", async ({ page, server, gateway }) => {
  await bring(page, server);
  await expect(page.locator("#waits-models a")).toHaveCount(0);
  await gateway.do("offer", { provider: "core", models: ["gemini-2.5-pro"] });
  for (const provider of ["acme", "bolt", "core"]) await gateway.do("behave", { provider, manner: "slow", ms: 3000 });
  await leads(page, () => page.getByRole("button", { name: "Run All" }).click());
  await rests(page);
  await expect(page.locator("#row-3")).toContainText(/held/i);
  await expect(page.locator("#waits-models")).toContainText("1");
  await looksRight(page);
});

test("a policy for all channels of a provider is set where they are grouped", async ({ page, server, gateway }) => {
  await bring(page, server);
  await page.locator("#group-provider").click();
  await expect(page.locator("tr.group")).not.toHaveCount(0);
  await looksRight(page);
  const group = page.locator("tr.group").first();
  await group.locator("select").selectOption("exclude");
  await group.getByRole("button", { name: /^Save/ }).click();
  await expect(page.locator(".good-edge").first()).toBeVisible();
  expect(await written(gateway)).toEqual(AFTER);
});

/** Holds back what a page is sent in answer to its own requests, and tells when there is some. */
async function holding(page, pattern) {
  let some, go;
  const held = new Promise((told) => (some = told));
  const gone = new Promise((told) => (go = told));
  await page.route(pattern, async (route) => {
    if (route.request().resourceType() !== "xhr") return route.continue();
    some();
    await gone;
    await route.continue();
  });
  return { held, go };
}

test("what is pressed while the number of chosen channels is still counted counts", async ({ page, server, gateway }) => {
  await bring(page, server);
  const before = await gateway.do("requests");
  const counting = await holding(page, /\/models\?/);
  await page.locator("#row-2 input[type=checkbox]").check();
  await counting.held;
  await page.getByRole("button", { name: /^Run Selected/ }).hover();
  await page.mouse.down();
  counting.go();
  await expect(page.locator("#picked-said")).toContainText("1");
  await leads(page, () => page.mouse.up());
  await rests(page);
  await expect(page.locator("#row-2")).toContainText(/second|now|minute/);
  expect(await gateway.do("requests")).toBeGreaterThan(before);
  await page.goto(`${server.url}/sites/main/history`);
  await expect(page.locator("#rows tbody tr").first()).toContainText("Run Selected");
});

test("what is pressed while results come in counts", async ({ page, server, gateway }) => {
  await bring(page, server);
  for (const provider of ["acme", "bolt", "core"]) await gateway.do("behave", { provider, manner: "slow", ms: 6000 });
  await leads(page, () => page.getByRole("button", { name: "Run All" }).click());
  await open(page, server, "?group=provider");
  await expect(page.locator("#live progress")).toBeVisible();
  const results = await holding(page, /\/models\?/);
  await results.held;
  const group = page.locator("tr.group").first();
  await group.locator("select").selectOption("exclude");
  await group.getByRole("button", { name: /^Save/ }).hover();
  await page.mouse.down();
  const came = page.waitForResponse((answer) => answer.request().resourceType() === "xhr");
  results.go();
  await (await came).finished();
  // What came would be shown by now if nothing was being pressed.
  await page.evaluate(() => new Promise((shown) => requestAnimationFrame(() => setTimeout(shown, 100))));
  await leads(page, () => page.mouse.up());
  await expect(page.locator(".good-edge").first()).toBeVisible();
  const policies = await page.request.get(`${server.url}/api/v1/sites/main/channels`);
  expect(await policies.text()).toContain("exclude");
  await open(page, server);
  await rests(page);
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("a plan is made, looked at and applied", async ({ page, server, gateway }) => {
    await open(page, server);
    await page.getByRole("button", { name: "Preview" }).click();
    const apply = page.getByRole("button", { name: "Apply 2 changes" });
    await expect(async () => {
      await open(page, server);
      await expect(apply).toBeVisible({ timeout: 500 });
    }).toPass();
    await apply.click();
    await expect.poll(async () => (await written(gateway)).length).toBe(2);
    expect(await written(gateway)).toEqual(AFTER);
  });
});

test("an expired sign-in in the middle loses nothing", async ({ page, server, gateway, context }) => {
  await bring(page, server);
  await open(page, server, "?show=changed&q=acme&sort=-name");
  await context.clearCookies({ name: "lockstep" });
  await page.getByRole("button", { name: "Run All" }).click();
  await expect(page.getByText("Your sign-in has expired")).toBeVisible();
  await page.getByRole("link").first().click();
  await page.locator("#password").fill("a password for stories");
  await page.locator("#password").press("Enter");
  // The table is as it was left.
  await expect(page).toHaveURL(`${server.url}/sites/main/models?show=changed&q=acme&sort=-name`);
  await expect(page.locator("tbody tr[id^=row-]")).toHaveCount(1);
  expect(await written(gateway)).toEqual(AFTER);
});
