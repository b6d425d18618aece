import { signIn } from "../steps.js";
import { PASSWORD, expect, looksRight, test } from "../world.js";

test.describe("the first start", () => {
  // Here the story itself comes in.
  test("the link in the terminal sets the password, and the password opens the pages", async ({ browser, server, watch }) => {
    watch.expects(400, 401);
    const context = watch.on(await browser.newContext());
    const page = await context.newPage();
    await page.goto(server.url);
    await expect(page).toHaveURL(/\/sign-in$/);
    await expect(page.getByText("Nobody can sign in yet")).toBeVisible();
    await looksRight(page);

    await page.goto(await server.link());
    await expect(page).toHaveURL(/\/sign-in\/link$/);
    // The browser itself refuses what is too short; what differs, the server.
    await page.locator("#password").fill("short");
    await page.locator("#again").fill("short");
    await page.locator("#password").press("Enter");
    await expect(page.locator("#password:invalid")).toBeVisible();
    await page.locator("#password").fill(PASSWORD);
    await page.locator("#again").fill(`${PASSWORD}!`);
    await page.locator("#password").press("Enter");
    await expect(page.locator("#wrong-again")).toBeVisible();
    await looksRight(page);
    // What the address had after its `#` was put into the form by a script, and is still there.
    await page.locator("#password").fill(PASSWORD);
    await page.locator("#again").fill(PASSWORD);
    await page.locator("#again").press("Enter");
    await expect(page).toHaveURL(`${server.url}/`);
    await looksRight(page);

    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(page).toHaveURL(/\/sign-in$/);
    await page.locator("#password").fill("not the password");
    await page.locator("#password").press("Enter");
    await expect(page.getByText("Name or password is wrong")).toBeVisible();
    await signIn(page);
    await expect(page).toHaveURL(`${server.url}/`);
    await context.close();
  });
});

test.describe("a gateway is connected", () => {
  test.use({ connected: false });

  test("each mistake is named at its field, and nothing is kept until all is right", async ({ page, gateway, context, server, watch }) => {
    watch.expects(422);
    await page.getByRole("link", { name: "Add a site" }).first().click();
    const keep = page.locator("form.card button.first");
    await keep.click();
    for (const field of ["name", "url", "token", "user_id"]) {
      await expect(page.locator(`#${field}-wrong`)).toBeVisible();
    }
    await looksRight(page);
    await page.locator("#name").fill("main");
    await page.locator("#url").fill("http://127.0.0.1:9");
    await page.locator("#user_id").fill("1");
    await page.locator("#token").fill("nottherighttoken");
    await keep.click();
    await expect(page.locator("#name")).toHaveValue("main");
    await expect(page.getByText("Connection refused").first()).toBeVisible();
    await looksRight(page);
    await page.locator("#url").fill(gateway.url);
    await page.locator("#token").fill("nottherighttoken");
    await keep.click();
    await expect(page.getByText("401").first()).toBeVisible();
    await looksRight(page);
    const sites = await context.request.get(`${server.url}/api/v1/sites`);
    expect((await sites.json()).sites).toEqual([]);

    await page.locator("#token").fill(gateway.token);
    await keep.click();
    await expect(page.getByText("main").first()).toBeVisible();
    await expect(page).not.toHaveURL(/add/);
    expect(await gateway.writes()).toEqual([]);
    await looksRight(page);
  });
});
