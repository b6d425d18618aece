import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { another, signIn } from "../steps.js";
import { PASSWORD, expect, looksRight, test } from "../world.js";

const ACCESS = "/settings/access";
const NOTICES = "/settings/notices";
const SECRET = "what the place signs with";

/** A place on this machine that takes notices: it keeps what it got, and answers as it is told to. */
async function place() {
  const got = [];
  const server = createServer((request, answer) => {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => {
      got.push({ path: request.url, headers: request.headers, body });
      answer.writeHead(request.url === "/hook" ? 204 : 404).end();
    });
  });
  await new Promise((listens) => server.listen(0, "127.0.0.1", listens));
  const url = `http://127.0.0.1:${server.address().port}`;
  return { got, url, end: () => new Promise((ended) => server.close(ended)) };
}

/** What the API answers to a token, as a program without cookies asks it. */
async function asks(playwright, server, token, path, options = {}) {
  const program = await playwright.request.newContext({ extraHTTPHeaders: { authorization: `Bearer ${token}` } });
  const answer = await program.fetch(server.url + path, options);
  const status = answer.status();
  await program.dispose();
  return status;
}

test("a token is shown once, opens what it may, and is refused once it is revoked", async ({ page, server, playwright, context, watch }) => {
  watch.expects(422);
  const addresses = [];
  page.on("request", (request) => addresses.push(request.url()));
  await page.goto(`${server.url}/sites/main/settings`);
  await page.getByRole("link", { name: "People and tokens" }).first().click();
  await expect(page.getByText("No program has a token")).toBeVisible();
  await looksRight(page);

  // Nothing typed: each mistake stands at its field.
  await page.getByRole("button", { name: "Make a token" }).click();
  await expect(page.locator("#token-name-wrong")).toBeVisible();
  await expect(page.locator("#scope-wrong")).toBeVisible();
  await looksRight(page);

  await page.locator("#token-name").fill("nightly");
  await page.getByLabel("look").check();
  await page.locator("#ends").selectOption("30");
  await page.getByRole("button", { name: "Make a token" }).click();
  await expect(page.getByText("The token is shown this once")).toBeVisible();
  await looksRight(page);
  const token = await page.locator("#token").inputValue();
  expect(token).toMatch(/^lst_/);

  expect(await asks(playwright, server, token, "/api/v1/sites")).toBe(200);
  expect(await asks(playwright, server, token, "/api/v1/tokens")).toBe(403);
  const run = { method: "POST", data: { subject: "models", what: "all", plan_only: true } };
  expect(await asks(playwright, server, token, "/api/v1/sites/main/runs", run)).toBe(403);

  await page.goto(server.url + ACCESS);
  await expect(page.getByRole("cell", { name: "nightly", exact: true })).toBeVisible();
  expect(await page.content()).not.toContain(token);
  await looksRight(page);
  const listed = await context.request.get(`${server.url}/api/v1/tokens`);
  expect((await listed.json()).tokens.map(({ name, scopes }) => ({ name, scopes }))).toEqual([{ name: "nightly", scopes: ["read"] }]);

  // It takes two steps, by the keyboard alone.
  await page.locator("summary", { hasText: "Revoke nightly" }).press("Enter");
  await looksRight(page);
  await page.getByRole("button", { name: "Revoke nightly" }).press("Enter");
  await expect(page.getByText("Revoked: it lets nobody in any more")).toBeVisible();
  await expect(page.getByText("Revoked the token nightly")).toBeVisible();
  expect(await asks(playwright, server, token, "/api/v1/sites")).toBe(401);
  expect(addresses.filter((address) => address.includes(token))).toEqual([]);
  expect(server.process.said).not.toContain(token);
});

test("the password is changed, other browsers are signed out, and the next one opens the pages", async ({ page, server, browser, watch }) => {
  watch.expects(422, 401);
  const NEXT = "another password for stories";
  const other = await another(browser, server, watch);

  await page.goto(server.url + ACCESS);
  await expect(page.getByRole("button", { name: "End all others" })).toBeVisible();
  await page.locator("#old").fill("not the password");
  await page.locator("#new").fill(NEXT);
  await page.locator("#again").fill(NEXT);
  await page.locator("#again").press("Enter");
  await expect(page.locator("#old-wrong")).toBeVisible();
  await looksRight(page);
  await page.locator("#old").fill(PASSWORD);
  await page.locator("#new").fill(NEXT);
  await page.locator("#again").fill(NEXT);
  await page.locator("#again").press("Enter");
  await expect(page.getByText("The password is changed")).toBeVisible();
  await expect(page.getByRole("button", { name: "End all others" })).toHaveCount(0);
  await other.reload();
  await expect(other).toHaveURL(/\/sign-in/);
  await other.context().close();

  await page.getByRole("button", { name: "Sign out" }).click();
  await signIn(page);
  await expect(page.getByText("Name or password is wrong")).toBeVisible();
  await page.locator("#password").fill(NEXT);
  await page.locator("#password").press("Enter");
  await expect(page).toHaveURL(`${server.url}/`);
});

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    test("a place is added, gets a signed test, says why one fails, and is removed", async ({ page, server, watch }) => {
      watch.expects(422);
      const { got, url, end } = await place();
      const right = async () => javaScriptEnabled && (await looksRight(page));
      await page.goto(server.url + NOTICES);
      await expect(page.getByText("Nobody is told")).toBeVisible();
      await right();
      for (const [name, path] of [["ops", "/hook"], ["wrong", "/nothing"]]) {
        await page.locator("#name").fill(name);
        await page.locator("#url").fill(url + path);
        await page.locator("#secret").fill(SECRET);
        await page.locator("#add").getByText("More settings").click();
        await page.locator("#allow_private").fill("127.0.0.0/8");
        await page.getByRole("button", { name: "Add a place" }).click();
        await expect(page.getByText("The place is added")).toBeVisible();
      }
      await right();
      await page.getByRole("button", { name: "Send a test ops" }).click();
      await expect(page.getByText("ops: the test arrived")).toBeVisible();
      await right();
      expect(got.length).toBe(1);
      const [{ headers, body }] = got;
      const signed = createHmac("sha256", SECRET).update(`${headers["x-lockstep-timestamp"]}.${body}`).digest("hex");
      expect(headers["x-lockstep-signature"]).toBe(`sha256=${signed}`);
      expect(JSON.parse(body).event).toBe("test");

      await page.getByRole("button", { name: "Send a test wrong" }).click();
      await expect(page.getByText("wrong: the test did not arrive. The place answered with status 404")).toBeVisible();
      await expect(page.getByText("There is nothing at this address").first()).toBeVisible();
      await right();

      const listed = page.locator("li", { hasText: "wrong" }).first();
      await listed.locator("summary", { hasText: "Change" }).click();
      for (const kind of await listed.locator("input[name=only]").all()) await kind.uncheck();
      await listed.getByRole("button", { name: "Save" }).click();
      await expect(page.locator(".wrong", { hasText: "Choose at least one" })).toBeVisible();
      await right();
      await listed.getByLabel("Something failed").check();
      await listed.getByRole("button", { name: "Save" }).click();
      await expect(page.getByText("Is told: Something failed")).toBeVisible();

      // The address is typed anew; the secret is kept, for it is the same server.
      await listed.locator("summary", { hasText: "Change" }).click();
      await listed.getByLabel("Address").fill(`${url}/hook`);
      await listed.getByRole("button", { name: "Save" }).click();
      await expect(page.getByText("Saved", { exact: true }).first()).toBeVisible();
      await page.getByRole("button", { name: "Send a test wrong" }).click();
      await expect(page.getByText("wrong: the test arrived")).toBeVisible();
      expect(got.at(-1).headers["x-lockstep-signature"]).toMatch(/^sha256=/);
      // What was given for one server is not sent to another by itself.
      await listed.locator("summary", { hasText: "Change" }).click();
      await listed.getByLabel("Address").fill("https://hooks.example/canary");
      await listed.getByRole("button", { name: "Save" }).click();
      await expect(listed.locator(".wrong", { hasText: "This is another server" })).toBeVisible();
      await right();

      for (const name of ["wrong", "ops"]) {
        const row = page.locator("li", { hasText: name }).first();
        await row.locator("summary", { hasText: "Remove" }).click();
        await row.getByRole("button", { name: `Remove ${name}` }).click();
        await expect(page.getByRole("button", { name: `Send a test ${name}` })).toHaveCount(0);
      }
      await expect(page.getByText("Nobody is told")).toBeVisible();
      await right();
      expect(await page.content()).not.toContain(SECRET);
      expect(got.length).toBe(3);
      await end();
    });
  });
}

test("the form of every kind of place says what it needs, in both languages", async ({ page, server, watch }) => {
  test.slow();
  watch.expects(422);
  for (const language of ["简体中文", "English"]) {
    await page.goto(server.url + NOTICES);
    await page.getByRole("button", { name: language }).click();
    for (const kind of ["webhook", "telegram", "ntfy", "feishu", "dingtalk", "wecom", "email"]) {
      await page.goto(`${server.url}${NOTICES}?kind=${kind}`);
      await page.locator("#name").fill("x");
      await page.locator("#add button.first").click();
      await expect(page.locator("#add .wrong").first()).toBeVisible();
      await looksRight(page);
    }
  }
});
