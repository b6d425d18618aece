import { AFTER, bring, cancel, leads, open, remember, remembers, rests, runAll, signIn, written } from "../steps.js";
import { CAST, expect, looksRight, notesShifts, shifts, test } from "../world.js";

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

test("a second tab that begins the same run is told that it is under way, and sees it: it is one run", async ({
  page,
  server,
  gateway,
  context,
  watch,
}) => {
  watch.expects(409);
  await bring(page, server);
  const before = (await gateway.writes()).length;
  const runs = await known(page, server);
  await gateway.do("offer", { provider: "bolt", models: ["claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5"] });
  await gateway.do("behave", { provider: "acme", manner: "slow", ms: 4000 });
  const other = await context.newPage();
  await open(other, server);
  await leads(page, () => page.getByRole("button", { name: "Run All" }).click());
  await expect(page.locator("#live progress")).toBeVisible();
  // The page of the other one is older than the run.
  await leads(other, () => other.getByRole("button", { name: "Run All" }).click());
  await expect(other.locator("#main > .bad-edge")).toBeVisible();
  await open(other, server);
  await expect(other.locator("#live progress")).toBeVisible();
  await rests(page);
  await rests(other);
  for (const of of [page, other]) await expect(of.locator("#row-2")).toContainText("+1");
  expect(await known(page, server)).toHaveLength(runs.length + 1);
  const writes = (await gateway.writes()).slice(before);
  expect(writes).toMatchObject([{ channel: 2, after: "claude-sonnet-4-5,claude-haiku-4-5,gpt-5" }]);
});

/** The runs that there are. */
async function known(page, server) {
  const told = await page.request.get(`${server.url}/api/v1/sites/main/runs`);
  return (await told.json()).runs;
}

test("rows fill while a run goes on, and a connection that is lost is made again, on one page", async ({
  page,
  server,
  gateway,
  watch,
}) => {
  watch.loses();
  await bring(page, server);
  const before = await gateway.writes();
  await gateway.do("offer", { provider: "bolt", models: ["claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5"] });
  await gateway.do("behave", { provider: "bolt", manner: "slow", ms: 4000 });
  // Nothing of it ends before it is cancelled.
  await gateway.do("behave", { provider: "core", manner: "slow", ms: 50_000 });
  await leads(page, () => page.getByRole("button", { name: "Run All" }).click());
  const [bar, lost, row] = ["#live progress", "#lost", "#row-2"].map((one) => page.locator(one));
  await expect(bar).toBeVisible();
  await expect(row).not.toContainText("+1");
  await remember(page);
  await notesShifts(page);
  await expect(row).toContainText("+1");
  await expect(bar).toBeVisible();
  await expect(lost).toBeHidden();
  await server.down("SIGKILL");
  await expect(lost).toBeVisible();
  await looksRight(page);
  await server.up();
  await expect(lost).toBeHidden();
  await expect(bar).toBeVisible();
  // Neither the rows that came nor what was said has moved anything.
  expect(await shifts(page)).toEqual([]);
  await cancel(page, server);
  await rests(page);
  await expect(page.getByRole("button", { name: "Run All" })).toBeEnabled();
  expect(await remembers(page)).toBe(true);
  expect(await gateway.writes()).toEqual(before);
});

test("a run goes on over a restart of the server, and the page with it", async ({ page, server, gateway, watch }) => {
  watch.loses();
  await bring(page, server);
  await gateway.do("behave", { provider: "core", manner: "slow", ms: 3000 });
  await gateway.do("offer", { provider: "acme", models: ["gpt-5", "gpt-5-mini", "gpt-4.1", "gpt-4.1-mini"] });
  await gateway.do("option", { key: "ModelRatio", text: priced() });
  await leads(page, () => page.getByRole("button", { name: "Run All" }).click());
  await expect(page.locator("#live progress")).toBeVisible();
  await remember(page);
  await server.down("SIGKILL");
  await expect(page.locator("#lost")).toBeVisible();
  await expect(page.locator("#trouble")).toBeHidden();
  await server.up();
  // Nobody presses anything: the page finds the run, its bar and its end.
  await rests(page);
  await expect(page.locator("#row-1")).toContainText("+1");
  expect(await remembers(page)).toBe(true);
  const after = "gpt-5,gpt-5-mini,gpt-4.1,gpt-4.1-mini";
  expect(await written(gateway, AFTER.length)).toEqual([
    { channel: 1, after },
    { channel: 4, after },
  ]);
});

/** The gateway's ratios, with one for each model that stories bring. */
function priced() {
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
  const ALL = ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.0-flash", "gemini-2.5-flash-lite"];

  /** What each answer does, beside what it is about: later the provider has another list that loses as much, and then one that only grows. */
  const ANSWERS = [
    { answer: "apply", now: ["gemini-2.5-pro"], again: "held", later: [...ALL, "gpt-5"] },
    { answer: "keep", again: "held", later: [...ALL, "gpt-5"] },
    { answer: "allow", next: ["gemini-2.5-pro"], again: ["gemini-2.5-flash"], later: [...ALL, "gpt-5"] },
    { answer: "never", again: "left alone", later: ALL },
  ];

  for (const { answer, now, next, again, later } of ANSWERS) {
    test(`is answered with ${answer}`, async ({ page, server, gateway }) => {
      const row = page.locator("#row-3");
      await bring(page, server);
      const before = await gateway.writes();
      await gateway.do("offer", { provider: "core", models: ["gemini-2.5-pro"] });
      await runAll(page, server);
      await expect(row).toContainText("Held");
      expect(await gateway.writes()).toEqual(before);
      await page.locator("#open-3").click();
      const answers = page.locator("tr.detail button[name=answer]");
      await expect(answers).toHaveCount(4);
      await looksRight(page);
      await leads(page, () => page.locator(`tr.detail button[name=answer][value="${answer}:3"]`).click());
      await rests(page);
      expect(await gateway.models(3)).toEqual(now ?? ALL);
      expect(await gateway.writes()).toHaveLength(before.length + (now ? 1 : 0));
      // The same again is not asked again.
      await runAll(page, server);
      await expect(row).not.toContainText("Held");
      expect(await gateway.models(3)).toEqual(now ?? next ?? ALL);

      if (now) {
        await gateway.do("offer", { provider: "core", models: ALL });
        await runAll(page, server);
        expect(await gateway.models(3)).toEqual(ALL);
      }
      const held = (await gateway.writes()).length;
      await gateway.do("offer", { provider: "core", models: ["gemini-2.5-flash"] });
      await runAll(page, server);
      if (again === "held") await expect(row).toContainText("Held");
      else await expect(row).not.toContainText("Held");
      if (typeof again === "string") expect(await gateway.writes()).toHaveLength(held);
      else expect(await gateway.models(3)).toEqual(again);

      await gateway.do("offer", { provider: "core", models: [...ALL, "gpt-5"] });
      await runAll(page, server);
      await expect(row).not.toContainText("Held");
      expect((await gateway.models(3)).sort()).toEqual([...later].sort());
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

test("a policy for all channels of a provider is set where they are grouped, and the next run goes by it", async ({
  page,
  server,
  gateway,
}) => {
  await bring(page, server);
  await page.locator("#group-provider").click();
  await expect(page.locator("tr.group")).toHaveCount(3);
  await looksRight(page);
  const group = page.locator("tr.group").filter({ hasText: new URL(gateway.providers.acme).host });
  await group.locator("select").selectOption("exclude");
  await leads(page, () => group.getByRole("button", { name: /^Save/ }).click());
  await expect(page.locator(".good-edge").first()).toBeVisible();
  expect(await written(gateway)).toEqual(AFTER);
  // Both providers have something new, of which one is left alone.
  const before = (await gateway.writes()).length;
  await gateway.do("offer", { provider: "acme", models: ["gpt-5", "gpt-5-mini", "gpt-4.1", "gemini-2.5-pro"] });
  await gateway.do("offer", { provider: "bolt", models: ["claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5"] });
  await runAll(page, server);
  await expect(page.locator("#row-1")).toContainText("Skipped");
  const writes = (await gateway.writes()).slice(before);
  expect(writes).toMatchObject([{ channel: 2, after: "claude-sonnet-4-5,claude-haiku-4-5,gpt-5" }]);
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

test("an expired sign-in in the middle loses nothing", async ({ page, server, gateway, context, watch }) => {
  watch.expects(401);
  await bring(page, server);
  await open(page, server, "?show=changed&q=acme&sort=-name");
  await context.clearCookies({ name: "lockstep" });
  await page.getByRole("button", { name: "Run All" }).click();
  await expect(page.getByText("Your sign-in has expired")).toBeVisible();
  await page.getByRole("link").first().click();
  await signIn(page);
  // The table is as it was left.
  await expect(page).toHaveURL(`${server.url}/sites/main/models?show=changed&q=acme&sort=-name`);
  await expect(page.locator("tbody tr[id^=row-]")).toHaveCount(1);
  expect(await written(gateway)).toEqual(AFTER);
});
