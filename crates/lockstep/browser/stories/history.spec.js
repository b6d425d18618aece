import { AFTER, PRICES, bring, charges, file, leads, lines, openPrices, rests, runAll, settled, written } from "../steps.js";
import { CAST, expect, looksRight, test } from "../world.js";

/** Opens the newest run of the history. */
async function newest(page, server) {
  await page.goto(`${server.url}/sites/main/history`);
  await leads(page, () => page.locator("#rows tbody tr").first().getByRole("link").click());
}

/** What is told of a run, by its label. */
function fact(page, label) {
  return page.locator("dl.change > div").filter({ has: page.locator("dt", { hasText: label }) }).locator("dd");
}

/** The lists as they were before `AFTER`. */
const BEFORE = [
  { channel: 1, after: "gpt-5,gpt-5-mini" },
  { channel: 3, after: "gemini-2.5-pro,gemini-2.5-flash,gemini-2.0-flash" },
];

test.describe("a run about lists", () => {
  test.beforeEach(async ({ page, server }) => {
    await bring(page, server);
  });

  test("is told with who began it, and with its lists before and after", async ({ page, server }) => {
    await page.goto(`${server.url}/sites/main/history`);
    const row = page.locator("#rows tbody tr").first();
    await expect(row).toContainText("Model lists");
    await expect(row).toContainText("Preview");
    await expect(row).toContainText("admin");
    await looksRight(page);
    await leads(page, () => row.getByRole("link").click());
    await expect(page).toHaveURL(/show=changed/);
    await expect(fact(page, "Started by")).toHaveText("Preview, then applied");
    await expect(fact(page, "Who")).toHaveText("admin");
    await expect(fact(page, "Approved")).toContainText("admin");
    await expect(page.locator("#rows tbody tr[id^=row-]")).toHaveCount(2);
    await page.locator("#open-1").click();
    const detail = page.locator("tr.detail");
    await expect(detail.getByText("Old Model List (2)")).toBeVisible();
    await expect(detail.getByText("New Model List (3)")).toBeVisible();
    await expect(detail.locator(".name.add")).toHaveText("gpt-4.1");
    await looksRight(page);
  });

  test("is taken back as a whole: shown first, then written", async ({ page, server, gateway }) => {
    await newest(page, server);
    const original = page.url().split("?")[0];
    await leads(page, () => page.getByRole("button", { name: "Undo the whole run" }).click());
    await expect(page.getByRole("heading", { name: "What undoing would change" }).first()).toBeVisible();
    await expect(page.locator("#rows tbody tr[id^=row-]")).toHaveCount(2);
    expect(await written(gateway)).toEqual(AFTER);
    await looksRight(page);
    await leads(page, () => page.getByRole("button", { name: "Apply 2 changes" }).click());
    await rests(page);
    expect(await written(gateway, 2)).toEqual(BEFORE);
    await expect(page.locator("#show-changed b")).toHaveText("2");
    await expect(fact(page, "Started by")).toHaveText("Undo");
    await looksRight(page);
    await page.goto(original);
    await expect(fact(page, "Undo")).toContainText("Undone by run");
    // What was undone stays out: the next run does not bring it back.
    await runAll(page, server);
    expect(await written(gateway, 4)).toEqual([]);
  });

  test("is taken back in part: only what was chosen is shown and written", async ({ page, server, gateway }) => {
    await newest(page, server);
    await page.locator("#row-3 input[type=checkbox]").check();
    const undo = page.getByRole("button", { name: "Undo the chosen (1)" });
    await expect(undo).toBeVisible();
    await leads(page, () => undo.click());
    await expect(page.locator("#rows tbody tr[id^=row-]")).toHaveCount(1);
    await expect(page.locator("#row-3")).toContainText("−1");
    expect(await written(gateway)).toEqual(AFTER);
    await leads(page, () => page.getByRole("button", { name: "Apply 1 change" }).click());
    await rests(page);
    expect(await written(gateway, 2)).toEqual([BEFORE[1]]);
    expect(await gateway.models(1)).toEqual(["gpt-5", "gpt-5-mini", "gpt-4.1"]);
  });

  test("what nobody chose is not taken for all", async ({ page, server, gateway }) => {
    await newest(page, server);
    await leads(page, () => page.getByRole("button", { name: "Undo the chosen (0)" }).click());
    await expect(page.getByText("Please select at least one channel")).toBeVisible();
    expect(await written(gateway)).toEqual(AFTER);
  });

  test("what somebody changed since is a conflict and stays", async ({ page, server, gateway }) => {
    await newest(page, server);
    await leads(page, () => page.getByRole("button", { name: "Undo the whole run" }).click());
    const apply = page.getByRole("button", { name: "Apply 2 changes" });
    await expect(apply).toBeVisible();
    await gateway.do("edit", { channel: 1, models: ["gpt-5", "gpt-4.1"] });
    await leads(page, () => apply.click());
    await rests(page);
    expect(await written(gateway, 2)).toEqual([BEFORE[1]]);
    expect(await gateway.models(1)).toEqual(["gpt-5", "gpt-4.1"]);
    await expect(page.locator("#row-1")).toContainText("Moved");
    await looksRight(page);
  });

  test("a channel's list over time is a picture with a table", async ({ page, server, gateway }) => {
    await gateway.do("offer", { provider: "acme", models: ["gpt-5", "gpt-5-mini"] });
    await runAll(page, server);
    await page.locator("#open-1").click();
    await leads(page, () => page.getByRole("link", { name: "Size of the list over the runs" }).click());
    await expect(page.locator("svg.chart")).toBeVisible();
    const rows = page.locator("#rows tbody tr");
    await expect(rows).toHaveCount(2);
    await expect(rows.nth(0)).toContainText("−1");
    await expect(rows.nth(1)).toContainText("+1");
    await looksRight(page);
    await leads(page, () => rows.nth(1).getByRole("link").click());
    await expect(page.locator("tr.detail .name.add")).toHaveText("gpt-4.1");
  });

  test("files hold just what is filtered, in its order", async ({ page, server, gateway }) => {
    await gateway.do("behave", { provider: "bolt", manner: "other_key" });
    await runAll(page, server);
    await page.locator("#show-failed").click();
    await expect(page.locator("#rows tbody tr[id^=row-]")).toHaveCount(1);
    const csv = page.getByRole("link", { name: "Export as CSV" });
    const json = page.getByRole("link", { name: "Export as JSON" });
    expect(lines(await file(page, csv)).map(([id, name]) => [id, name])).toEqual([["2", "Bolt"]]);
    expect(JSON.parse(await file(page, json)).items.map((item) => item.channel_id)).toEqual([2]);
    await page.locator("#show-all").click();
    await expect(page.locator("#rows tbody tr[id^=row-]")).toHaveCount(4);
    await page.locator("#sort-id").click();
    await expect(page.locator("th[aria-sort=descending]")).toHaveCount(1);
    expect(lines(await file(page, csv)).map(([id]) => id)).toEqual(["4", "3", "2", "1"]);
    await page.locator("#q").fill("cor");
    await page.locator("#q").press("Enter");
    await expect(page.locator("#rows tbody tr[id^=row-]")).toHaveCount(1);
    expect(JSON.parse(await file(page, json)).items.map((item) => item.channel_id)).toEqual([3]);

    await page.goto(`${server.url}/sites/main/history`);
    await expect(page.locator("#rows tbody tr")).toHaveCount(2);
    await page.locator("#by-trigger").selectOption("plan");
    await expect(page.locator("#rows tbody tr")).toHaveCount(1);
    const runs = JSON.parse(await file(page, json)).runs;
    expect(runs.map((run) => run.trigger)).toEqual(["plan"]);
    expect(lines(await file(page, csv)).map(([run]) => run)).toEqual(runs.map((run) => run.run));

    await leads(page, () => page.locator("#rows tbody tr").getByRole("link").click());
    await expect(page).toHaveURL(/show=changed/);
    expect(lines(await file(page, csv)).map(([id]) => id)).toEqual(["1", "3"]);
    const items = JSON.parse(await file(page, json)).items;
    expect(items.map((item) => item.channel_id)).toEqual([1, 3]);
    expect(items[0].new_models).toEqual(["gpt-5", "gpt-5-mini", "gpt-4.1"]);
    // Where nothing is shown there is nothing to have.
    await page.locator("#q").fill("no such channel");
    await page.locator("#q").press("Enter");
    await expect(page.getByText("Nothing matches")).toBeVisible();
    await expect(csv).toHaveCount(0);
  });
});

test.describe("a list that was empty", () => {
  test.use({ cast: { ...CAST, channels: [...CAST.channels, { id: 5, name: "Bare", provider: "acme", models: [] }] } });

  test("cannot be given back, and why is said", async ({ page, server, gateway }) => {
    await bring(page, server);
    expect(await gateway.models(5)).toEqual(["gpt-5", "gpt-5-mini", "gpt-4.1"]);
    await newest(page, server);
    await expect(page.locator("#row-5 input[type=checkbox]")).toBeDisabled();
    await leads(page, () => page.getByRole("button", { name: "Undo the whole run" }).click());
    await page.getByRole("link", { name: "1 cannot be undone" }).click();
    await expect(page).toHaveURL(/show=skipped/);
    await expect(page.locator("#rows tbody tr[id^=row-]")).toHaveCount(1);
    await expect(page.locator("#row-5")).toContainText("the gateway cannot store an empty list");
    await looksRight(page);
    await leads(page, () => page.getByRole("button", { name: "Apply 2 changes" }).click());
    await rests(page);
    expect(await written(gateway, 3)).toEqual(BEFORE);
    expect(await gateway.models(5)).toEqual(["gpt-5", "gpt-5-mini", "gpt-4.1"]);
  });
});

test.describe("a run about prices", () => {
  test.use(PRICES);

  test.beforeEach(async ({ page, context, server, gateway }) => {
    await openPrices(page, context, server, gateway);
    await page.getByRole("button", { name: /^Fetch/ }).click();
    await settled(page);
    await page.getByRole("button", { name: "Review 2" }).click();
    await settled(page);
    await page.getByRole("button", { name: "Apply 2" }).click();
    await settled(page);
    expect(await charges(gateway, "gpt-5")).toEqual({ input: 1.5, output: 12 });
    expect(await charges(gateway, "claude-new")).toEqual({ input: 4, output: 20 });
  });

  test("is taken back in part, from its page in the history", async ({ page, server, gateway }) => {
    await newest(page, server);
    const original = page.url();
    await expect(fact(page, "Who")).toHaveText("admin");
    const before = await gateway.writes();
    const row = page.locator("#rows tbody tr").filter({ hasText: "gpt-5" });
    await row.locator("input[type=checkbox]").check();
    const undo = page.getByRole("button", { name: "Undo the chosen (1)" });
    await expect(undo).toBeVisible();
    await leads(page, () => undo.click());
    await expect(page.getByRole("button", { name: "Apply 1", exact: true })).toBeVisible();
    await expect(page.locator("#rows tbody tr")).toHaveCount(1);
    expect(await gateway.writes()).toEqual(before);
    await leads(page, () => page.getByRole("button", { name: "Apply 1", exact: true }).click());
    await rests(page);
    expect(await charges(gateway, "gpt-5")).toEqual({ input: 1.25, output: 10 });
    expect(await charges(gateway, "claude-new")).toEqual({ input: 4, output: 20 });
    await looksRight(page);
    // What is undone is not offered again; what is locked says so until it is unlocked.
    await page.goto(original);
    await expect(row).toContainText("Undone already, by run");
    await expect(row.locator("input[type=checkbox]")).toBeDisabled();
    const rest = page.locator("#rows tbody tr").filter({ hasText: "claude-new" });
    const decide = (answer) =>
      page.request.post(`${server.url}/sites/main/prices/answers`, { headers: { origin: server.url }, form: { answer } });
    await decide("lock//claude-new");
    await page.reload();
    await expect(rest).toContainText("Cannot be undone: its price is locked");
    await expect(page.getByRole("button", { name: /^Undo/ })).toHaveCount(0);
    await looksRight(page);
    await decide("unlock//claude-new");
    await page.reload();
    await leads(page, () => page.getByRole("button", { name: "Undo the whole run" }).click());
    await rests(page);
    await expect(page.getByText("1 cannot be undone")).toBeVisible();
    await leads(page, () => page.getByRole("button", { name: "Apply 1", exact: true }).click());
    await rests(page);
    expect(await charges(gateway, "claude-new")).toBe(null);
  });

  test("a price over time is a picture with a table, and the differences are had as files", async ({ page, server }) => {
    await newest(page, server);
    await leads(page, () => page.getByRole("link", { name: "gpt-5", exact: true }).click());
    await expect(page.getByRole("heading", { name: "Price of gpt-5 over time" })).toBeVisible();
    await expect(page.locator("svg.chart")).toBeVisible();
    await expect(page.locator("#rows tbody tr").first()).toContainText("$1.25");
    await expect(page.locator("#rows tbody tr").first()).toContainText("$1.5");
    await looksRight(page);
  });
});

test.describe("differences of prices", () => {
  test.use(PRICES);

  test("are had as files that hold just what is filtered", async ({ page, context, server, gateway }) => {
    await openPrices(page, context, server, gateway);
    await page.getByRole("button", { name: /^Fetch/ }).click();
    await settled(page);
    await page.locator("#show-new").click();
    await expect(page.locator("#rows tbody")).not.toContainText("gpt-5");
    const rows = JSON.parse(await file(page, page.getByRole("link", { name: "Export as JSON" }))).rows;
    expect(new Set(rows.map((row) => row.model))).toEqual(new Set(["claude-new"]));
    const csv = lines(await file(page, page.getByRole("link", { name: "Export as CSV" })));
    expect(new Set(csv.map(([model]) => model))).toEqual(new Set(["claude-new"]));
  });
});
