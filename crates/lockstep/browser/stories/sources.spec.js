import { settled } from "../steps.js";
import { CAST, expect, looksRight, test } from "../world.js";

const SHOWN = [{ model: "gpt-5", input: 1.5, output: 12 }];
const LIST = JSON.stringify({ success: true, data: { model_ratio: { "gpt-5": 3 }, completion_ratio: { "gpt-5": 4 } } });
const MEMBER = { token: "the-token-of-the-club", user: "7" };

test.use({
  cast: { ...CAST, providers: [...CAST.providers, { name: "club", models: [], prices: SHOWN, member: MEMBER }] },
  settings: { pace: "auto", "price-mode": "both" },
});

test.beforeEach(async ({ page, server }) => {
  await page.goto(`${server.url}/sites/main/prices/sources`);
});

/** The form of an address of one's own, sent with this sign-in. */
async function add(page, address, { token, user }) {
  const form = page.locator("form", { has: page.locator("#url") });
  await form.locator("#url").fill(address);
  await form.locator("#endpoint").fill("/api/pricing");
  for (const summary of ["Sign-in", "More"]) {
    const details = form.locator("details", { hasText: summary }).first();
    if (!(await details.evaluate((one) => one.open))) await details.locator("summary").click();
  }
  await form.locator("#source-name").fill("club");
  await form.locator("#token").fill(token);
  await form.locator("#user_id").fill(user);
  await form.getByRole("button", { name: "Add" }).click();
}

test("a source that wants a sign-in is added with its token, and prices come from it", async ({ page, server, gateway, watch }) => {
  watch.expects(422);
  await looksRight(page);
  const address = gateway.providers.club;
  await add(page, address, { token: "sk-0123456789", user: MEMBER.user });
  await expect(page.getByText("This is an sk- key")).toBeVisible();
  await looksRight(page);
  await add(page, address, { token: "mistyped", user: MEMBER.user });
  await expect(page.getByText("did not take the token")).toBeVisible();
  await add(page, address, MEMBER);
  await expect(page.locator(".good-edge")).toBeVisible();
  await expect(page.getByText("token stored")).toBeVisible();
  await looksRight(page);
  expect(await page.content()).not.toContain(MEMBER.token);

  await page.goto(`${server.url}/sites/main/prices`);
  await page.getByRole("button", { name: /^Fetch/ }).click();
  await settled(page);
  await expect(page.locator("tbody")).toContainText("$1.5");
  await page.getByRole("button", { name: /^Review \d+$/ }).click();
  await settled(page);
  await page.getByRole("button", { name: /^Apply \d+$/ }).click();
  await settled(page);
  expect(await gateway.do("charges", { model: "gpt-5" })).toEqual({ input: 1.5, output: 12 });
});

for (const width of [360, 2560]) {
  test.describe(`at ${width} px`, () => {
    test.use({ viewport: { width, height: 900 } });

    test("the sign-in and the file of a source fit", async ({ page, gateway }) => {
      await add(page, gateway.providers.club, MEMBER);
      await page.locator("details", { hasText: "token stored" }).locator("summary").click();
      await page.locator("#list").setInputFiles({ name: "ours.json", mimeType: "application/json", buffer: Buffer.from(LIST) });
      await page.getByRole("button", { name: "Upload", exact: true }).click();
      await expect(page.locator(".found b", { hasText: "ours" })).toBeVisible();
      await looksRight(page);
    });
  });
}

test("a token is forgotten, and the source says what it wants and when it was asked", async ({ page, server, gateway }) => {
  await add(page, gateway.providers.club, MEMBER);
  await page.locator("details", { hasText: "token stored" }).locator("summary").click();
  await looksRight(page);
  await page.getByRole("button", { name: "Forget the token" }).click();
  await expect(page.getByText("token stored")).toHaveCount(0);
  await page.getByRole("button", { name: "Fetch and test", exact: true }).click();
  await expect(page.getByText("needs sign-in")).toBeVisible();
  await expect(page.getByText(/asked in vain/)).toBeVisible();
  await looksRight(page);
  await page.goto(`${server.url}/sites/main/prices/sources`);
});

test("a list that has shrunk for good is accepted, and prices come from it again", async ({ page, server, gateway, context }) => {
  const all = ["gpt-5", "gpt-5-mini", "gpt-4.1"].map((model) => ({ model, input: 1.5, output: 12 }));
  await gateway.do("price", { provider: "acme", prices: all });
  const added = await context.request.post(`${server.url}/api/v1/sites/main/sources`, {
    headers: { origin: server.url },
    data: { source: `${gateway.providers.acme},endpoint=/api/pricing,name=acme` },
  });
  expect(added.ok(), await added.text()).toBe(true);
  await gateway.do("price", { provider: "acme", prices: SHOWN });
  await page.reload();
  await page.getByRole("button", { name: "Fetch and test", exact: true }).click();
  const accept = page.getByRole("button", { name: "Accept the list as it is: acme" });
  await expect(accept).toBeVisible();
  await looksRight(page);
  await accept.click();
  await expect(page.locator(".good-edge")).toContainText("before: 3");
  await expect(accept).toHaveCount(0);
  await looksRight(page);

  await page.goto(`${server.url}/sites/main/prices`);
  await settled(page);
  await page.getByRole("button", { name: /^Review \d+$/ }).click();
  await settled(page);
  await page.getByRole("button", { name: /^Apply \d+$/ }).click();
  await settled(page);
  expect(await gateway.do("charges", { model: "gpt-5" })).toEqual({ input: 1.5, output: 12 });
});

for (const { width, colorScheme } of [
  { width: 360, colorScheme: "light" },
  { width: 1280, colorScheme: "dark" },
]) {
  test.describe(`at ${width} px, ${colorScheme}`, () => {
    test.use({ viewport: { width, height: 900 }, colorScheme });

    test("a channel is added with its endpoint, and another one is set later", async ({ page, server, gateway, watch }) => {
      watch.expects(422);
      // Only channels that were read can be chosen.
      await page.goto(`${server.url}/sites/main/models`);
      await page.getByRole("button", { name: "Preview", exact: true }).click();
      await settled(page);
      await gateway.do("price", { provider: "acme", prices: SHOWN });
      await page.goto(`${server.url}/sites/main/prices/sources`);
      const form = page.locator("form", { has: page.locator("#channel") });
      await form.getByLabel("Channel").selectOption("1");
      await expect(form.getByPlaceholder("/your/endpoint")).toBeHidden();
      await form.getByLabel("Sync Endpoint", { exact: true }).selectOption("custom");
      await form.getByPlaceholder("/your/endpoint").fill("/no/such/list");
      await form.getByRole("button", { name: "Add" }).click();
      await expect(page.locator("main").getByRole("alert")).toBeVisible();
      await expect(form.getByPlaceholder("/your/endpoint")).toHaveValue("/no/such/list");
      await looksRight(page);
      await form.getByLabel("Sync Endpoint", { exact: true }).selectOption("pricing");
      await form.getByRole("button", { name: "Add" }).click();
      await expect(page.locator(".good-edge")).toBeVisible();
      await expect(page.getByText("Sync Endpoint: /api/pricing")).toBeVisible();
      await page.locator("summary", { hasText: "Edit" }).click();
      await looksRight(page);
      const edit = page.getByRole("form", { name: "Edit: channel:1" });
      await edit.getByLabel("Multiplier").fill("2");
      await edit.getByLabel("Sync Endpoint", { exact: true }).selectOption("OpenRouter");
      await edit.getByRole("button", { name: "Save" }).click();
      // What is not there is not kept unasked.
      await expect(edit.getByRole("alert")).toBeVisible();
      await looksRight(page);
      await edit.getByLabel("Sync Endpoint", { exact: true }).selectOption("pricing");
      await edit.getByRole("button", { name: "Save" }).click();
      await expect(page.locator(".good-edge")).toBeVisible();
      await expect(page.getByText("Multiplier: 2")).toBeVisible();
      await looksRight(page);
    });
  });
}

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("a file is uploaded, its mistakes are told with their place, and its prices are seen", async ({ page, server, watch }) => {
    watch.expects(422, 413);
    const form = page.locator("form", { has: page.locator("#list") });
    const upload = async (text) => {
      await form.locator("#list").setInputFiles({ name: "ours.json", mimeType: "application/json", buffer: Buffer.from(text) });
      await form.getByRole("button", { name: "Upload", exact: true }).click();
    };
    await upload('{"success": true,\n"data": nope}');
    await expect(page.getByText(/line 2/)).toBeVisible();
    await upload(LIST);
    await expect(page.locator(".found b", { hasText: "ours" })).toBeVisible();
    // One that is too long says so on a page that leads back.
    await upload(`${LIST}${" ".repeat(17 << 20)}`);
    await expect(page.getByRole("heading", { name: "This list is longer than 16 MiB" })).toBeVisible();
    await page.getByRole("link").click();
    // A newer one costs what the one before did, unless that is changed beside it.
    const beside = page.getByRole("form", { name: "Upload a newer list: ours" });
    const newer = async (multiplier) => {
      await beside.locator("input[type=file]").setInputFiles({ name: "new.json", mimeType: "application/json", buffer: Buffer.from(LIST) });
      if (multiplier) {
        await beside.locator("summary").click();
        await beside.getByLabel("Multiplier").fill(multiplier);
      }
      await beside.getByRole("button", { name: "Upload a newer list" }).click();
    };
    await newer("0.5");
    await expect(page.getByText("Multiplier: 0.5")).toBeVisible();
    await newer();
    await expect(page.getByText("Multiplier: 0.5")).toBeVisible();
    await page.goto(`${server.url}/sites/main/prices`);
    await settled(page);
    await expect(page.locator("tbody")).toContainText("$6");
  });
});
