import { enter, reach, tick } from "../keys.js";
import { bring, open, rests, said } from "../steps.js";
import { expect, test } from "../world.js";

test.beforeEach(async ({ page, server }) => {
  await bring(page, server);
});

/** A button of this name. */
function button(page, name) {
  return page.getByRole("button", { name, exact: true });
}

/** Runs over all channels. */
async function runs(page, server) {
  await open(page, server);
  await enter(page, button(page, "Run All"));
  await rests(page);
}

/** Opens a row that waits, and gives an answer. */
async function answers(page, channel, answer) {
  await expect(page.locator(`#row-${channel}`)).toContainText("Held");
  await reach(page, page.locator(`#open-${channel}`));
  await page.keyboard.press("Enter");
  await enter(page, page.locator(`tr.detail button[value="${answer}:${channel}"]`));
  await rests(page);
}

test("what is held is answered in each of the four ways", async ({ page, server, gateway }) => {
  const offers = (provider, models) => gateway.do("offer", { provider, models });
  const core = await gateway.models(3);
  await offers("core", ["gemini-2.5-pro"]);
  await runs(page, server);
  await answers(page, 3, "keep");
  await expect(said(page, "Saved")).toBeVisible();
  expect(await gateway.models(3)).toEqual(core);

  await offers("core", ["gemini-2.5-flash"]);
  await runs(page, server);
  await answers(page, 3, "apply");
  expect(await gateway.models(3)).toEqual(["gemini-2.5-flash"]);

  // Two channels of one provider, each with an answer of its own, which the next run goes by.
  const acme = await gateway.models(1);
  await offers("acme", ["gpt-5"]);
  await runs(page, server);
  await answers(page, 1, "never");
  await answers(page, 4, "allow");
  await runs(page, server);
  expect(await gateway.models(1)).toEqual(acme);
  expect(await gateway.models(4)).toEqual(["gpt-5"]);
});

test("a channel that failed is retried, one is synced alone, and all of a provider get a policy", async ({ page, server, gateway }) => {
  await gateway.do("behave", { provider: "bolt", manner: "other_key" });
  await runs(page, server);
  await expect(page.locator("#row-2")).toContainText("401");
  await gateway.do("behave", { provider: "bolt", manner: "well" });
  await enter(page, button(page, "Retry Failed Only"));
  await rests(page);
  await expect(page.locator("#show-failed")).toContainText("0");
  await gateway.do("offer", { provider: "bolt", models: ["claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5"] });
  await enter(page, button(page, "Sync this channel Bolt"));
  await rests(page);
  const bolt = ["claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5"];
  expect(await gateway.models(2)).toEqual(bolt);

  await open(page, server);
  await reach(page, page.locator("#group-provider"));
  await page.keyboard.press("Enter");
  const group = page.locator("tr.group").filter({ hasText: new URL(gateway.providers.bolt).host });
  const policy = group.locator("select");
  await reach(page, policy);
  await page.keyboard.type("Excl");
  await expect(policy).toHaveValue("exclude");
  await enter(page, group.getByRole("button", { name: /^Save/ }));
  await expect(said(page, "Saved")).toBeVisible();
  await gateway.do("offer", { provider: "bolt", models: [...bolt, "gpt-5-mini"] });
  await gateway.do("offer", { provider: "acme", models: ["gpt-5", "gpt-5-mini", "gpt-4.1", "gemini-2.5-pro"] });
  await runs(page, server);
  expect(await gateway.models(1)).toContain("gemini-2.5-pro");
  expect(await gateway.models(2)).toEqual(bolt);
});

test("a hand edit is released, and a run is taken back", async ({ page, server, gateway }) => {
  await gateway.do("edit", { channel: 2, models: ["claude-sonnet-4-5", "claude-haiku-4-5", "claude-mine"] });
  await runs(page, server);
  await page.goto(`${server.url}/sites/main/channels/2`);
  await tick(page, page.getByLabel("claude-mine"));
  await enter(page, button(page, "Release"));
  await expect(said(page, "Saved")).toBeVisible();
  const before = (await gateway.writes()).length;
  await runs(page, server);
  const mine = "claude-sonnet-4-5,claude-haiku-4-5,claude-mine";
  const bare = "claude-sonnet-4-5,claude-haiku-4-5";
  expect((await gateway.writes()).slice(before)).toMatchObject([{ channel: 2, before: mine, after: bare }]);

  await page.goto(`${server.url}/sites/main/history`);
  await enter(page, page.locator("#rows tbody tr").first().getByRole("link"));
  await enter(page, button(page, "Undo the whole run"));
  await rests(page);
  await enter(page, button(page, "Apply 1 change"));
  await rests(page);
  expect((await gateway.writes()).slice(before + 1)).toMatchObject([{ channel: 2, before: bare, after: mine }]);
});
