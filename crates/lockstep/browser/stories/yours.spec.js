import { bring, leads, runAll, said } from "../steps.js";
import { expect, looksRight, test } from "../world.js";

/** A name that nobody offers and somebody added, and one that is offered and somebody took out. */
const EDITS = [
  {
    what: "a name that was added by hand",
    channel: 2,
    edited: ["claude-sonnet-4-5", "claude-haiku-4-5", "claude-mine"],
    name: "claude-mine",
    why: "yours: added by hand",
    legend: "Added by hand",
    released: ["claude-sonnet-4-5", "claude-haiku-4-5"],
  },
  {
    what: "a name that was taken out by hand",
    channel: 1,
    edited: ["gpt-5", "gpt-4.1"],
    name: "gpt-5-mini",
    why: "yours: taken out by hand",
    legend: "Taken out by hand",
    released: ["gpt-5", "gpt-4.1", "gpt-5-mini"],
  },
];

for (const { what, channel, edited, name, why, legend, released } of EDITS) {
  test(`${what} is told as yours, stays, and goes with its release`, async ({ page, server, gateway }) => {
    await bring(page, server);
    const before = await gateway.writes();
    await gateway.do("edit", { channel, models: edited });
    for (let runs = 0; runs < 2; runs++) await runAll(page, server);
    expect(await gateway.writes()).toEqual(before);
    expect(await gateway.models(channel)).toEqual(edited);
    await page.locator(`#open-${channel}`).click();
    const detail = page.locator("tr.detail");
    await expect(detail).toContainText(why);
    await expect(detail.locator(`.hint:has-text("${why}") + .names .name`)).toHaveText(name);
    await looksRight(page);

    await page.goto(`${server.url}/sites/main/channels/${channel}`);
    const yours = page.getByRole("group", { name: legend });
    await expect(yours.getByRole("checkbox")).toHaveCount(1);
    await looksRight(page);
    const release = page.getByRole("button", { name: "Release" });
    // Without a tick nothing is given back.
    await leads(page, () => release.click());
    await expect(yours).toContainText(name);
    await yours.getByLabel(name).check();
    await leads(page, () => release.click());
    await expect(said(page, "Saved")).toBeVisible();
    await expect(yours).toHaveCount(0);
    expect(await gateway.writes()).toEqual(before);

    await runAll(page, server);
    const writes = (await gateway.writes()).slice(before.length);
    expect(writes).toMatchObject([{ channel, before: edited.join(","), after: released.join(",") }]);
  });
}
