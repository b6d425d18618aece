import { signIn } from "../steps.js";
import { expect, looksRight, test } from "../world.js";

const OF_SITE = ["models", "channels", "prices", "prices/sources", "prices/held", "unpriced", "history", "history/channels/1", "settings"];
const PAGES = ["/", "/sites/add", ...OF_SITE.map((page) => `/sites/main/${page}`), "/settings/notices", "/settings/access"];

for (const [colorScheme, width] of [
  ["light", 360],
  ["light", 1280],
  ["light", 2560],
  ["dark", 1280],
]) {
  test.describe(`${colorScheme} at ${width} px`, () => {
    test.use({ colorScheme, viewport: { width, height: 900 } });

    test("every page is accessible and fits while there is next to nothing", async ({ page, server }) => {
      for (const path of PAGES) {
        await page.goto(server.url + path);
        await looksRight(page);
      }
    });
  });
}

test("the language follows the browser and can be switched", async ({ page, browser, server, context, watch }) => {
  await expect(page.locator("html")).toHaveAttribute("lang", "en");
  await page.getByRole("button", { name: "简体中文" }).click();
  await expect(page.locator("html")).toHaveAttribute("lang", "zh-CN");
  for (const path of PAGES) {
    await page.goto(server.url + path);
    await expect(page.locator("html")).toHaveAttribute("lang", "zh-CN");
    await looksRight(page);
  }
  // Also in the settings, beside what else is set.
  await page.goto(`${server.url}/sites/main/settings`);
  await page.getByRole("region", { name: "语言" }).getByRole("button", { name: "English" }).click();
  await expect(page.locator("html")).toHaveAttribute("lang", "en");
  await expect(page).toHaveURL(`${server.url}/sites/main/settings`);
  await page.getByRole("navigation").getByRole("button", { name: "简体中文" }).click();
  await page.getByRole("navigation").getByRole("button", { name: "English" }).click();
  await expect(page.locator("html")).toHaveAttribute("lang", "en");
  const chinese = watch.on(await browser.newContext({ locale: "zh-CN", storageState: await context.storageState() }));
  await chinese.clearCookies({ name: "lockstep-language" });
  const other = await chinese.newPage();
  await other.goto(server.url);
  await expect(other.locator("html")).toHaveAttribute("lang", "zh-CN");
  await chinese.close();
});

test("nothing is asked of another host", async ({ page, server }) => {
  const hosts = new Set();
  page.on("request", (request) => hosts.add(new URL(request.url()).host));
  for (const path of PAGES) await page.goto(server.url + path);
  expect([...hosts]).toEqual([new URL(server.url).host]);
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("settings are changed by their form alone", async ({ page, server }) => {
    await page.goto(`${server.url}/sites/main/settings`);
    await page.locator("#concurrency").fill("3");
    await page.locator("#concurrency").press("Enter");
    await expect(page.locator(".good-edge")).toBeVisible();
    await expect(page.locator("#concurrency")).toHaveValue("3");
  });
});

test("an expired sign-in leads back to the page that was asked for", async ({ page, context, server }) => {
  await context.clearCookies({ name: "lockstep" });
  await page.goto(`${server.url}/sites/main/settings`);
  await expect(page).toHaveURL(/sign-in\?back/);
  await signIn(page);
  await expect(page).toHaveURL(/\/sites\/main\/settings$/);
});

test("a server that comes back finds its people signed in", async ({ page, server }) => {
  // The picture of the tab comes after the page.
  await page.waitForLoadState("networkidle");
  await server.again();
  await page.reload();
  await expect(page.getByText("main").first()).toBeVisible();
});
