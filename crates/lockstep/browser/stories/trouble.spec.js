import { bring, cancel, leads, open, remember, remembers, rests, signIn } from "../steps.js";
import { expect, looksRight, test } from "../world.js";

/** What is asked for by a script of the page: what is pressed, and what comes of it. */
const PARTS = [
  { what: "a filter", press: (page) => page.locator("#show-failed").click() },
  { what: "an order", press: (page) => page.locator("#sort-name").click() },
  { what: "a row", press: (page) => page.locator("#open-1").click() },
  { what: "a tick", press: (page) => page.locator("#row-2 input[type=checkbox]").click() },
  {
    what: "a search",
    async press(page) {
      await page.locator("#q").fill("cor");
      await page.locator("#seek").click();
    },
  },
];

/** Where the way in leads back to. */
function back(page) {
  return new URL(page.url()).searchParams.get("back");
}

test("whose sign-in has ended is led to the way in by whatever he presses, and back to what he saw", async ({
  page,
  server,
  context,
  watch,
}) => {
  watch.expects(401);
  await bring(page, server);
  const cookies = await context.cookies();
  for (const { what, press } of PARTS) {
    await open(page, server, "?show=success&sort=-id");
    await context.clearCookies({ name: "lockstep" });
    await press(page);
    await expect(page, what).toHaveURL(/\/sign-in\?/);
    expect(back(page), what).toBe("/sites/main/models?show=success&sort=-id");
    await context.addCookies(cookies);
  }
  await context.clearCookies({ name: "lockstep" });
  await signIn(page);
  await expect(page).toHaveURL(`${server.url}/sites/main/models?show=success&sort=-id`);
  await expect(page.locator("#rows tbody tr[id^=row-]").first()).toHaveAttribute("id", "row-4");
});

test("whose sign-in ends while he watches a run is led to the way in, and back to the run", async ({ page, server, gateway, watch }) => {
  watch.expects(401);
  watch.loses();
  await bring(page, server);
  // Nothing of it ends before it is cancelled.
  await gateway.do("behave", { provider: "core", manner: "slow", ms: 50_000 });
  await leads(page, () => page.getByRole("button", { name: "Run All" }).click());
  await open(page, server, "?show=success");
  await expect(page.locator("#live progress")).toBeVisible();
  const left = await page.request.post(`${server.url}/api/v1/sign-out`, { headers: { origin: server.url } });
  expect(left.ok(), await left.text()).toBe(true);
  await expect(page).toHaveURL(/\/sign-in\?/);
  expect(back(page)).toBe("/sites/main/models?show=success");
  await signIn(page);
  await expect(page.locator("#live progress")).toBeVisible();
  await cancel(page, server);
  await rests(page);
});

/** What becomes of what the page asks for, and what the browser says of it. */
const TROUBLES = [
  { what: "an error of the server", answer: (route) => route.fulfill({ status: 500 }), says: 500 },
  { what: "no answer", answer: (route) => route.abort("connectionrefused"), says: /ERR_CONNECTION_REFUSED|htmx:sendError/ },
];

for (const { what, answer, says } of TROUBLES) {
  test(`${what} is told to whoever presses something, in both languages, until it is well`, async ({ page, server, watch }) => {
    watch.expects(says);
    await bring(page, server);
    for (const [language, told, parts] of [
      ["English", "could not be loaded", PARTS],
      ["简体中文", "无法加载", PARTS.slice(0, 1)],
    ]) {
      const other = page.getByRole("button", { name: language });
      if (await other.count()) await leads(page, () => other.click());
      for (const { what, press } of parts) {
        await open(page, server);
        await remember(page);
        const trouble = page.getByRole("alert").filter({ hasText: told });
        await expect(trouble).toBeHidden();
        const asks = (route) => (route.request().resourceType() === "xhr" ? answer(route) : route.continue());
        await page.route(/\/models\?/, asks);
        await press(page);
        await expect(trouble, what).toBeVisible();
        await page.unroute(/\/models\?/, asks);
        // What was shown is still there.
        await expect(page.locator("#rows tbody tr[id^=row-]")).toHaveCount(4);
        if (what === "a filter") await looksRight(page);
        await page.locator("#show-success").click();
        await expect(page).toHaveURL(/show=success/);
        await expect(trouble, what).toBeHidden();
        expect(await remembers(page), what).toBe(true);
      }
    }
  });
}
