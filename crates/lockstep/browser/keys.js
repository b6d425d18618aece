// How a page is used by its keys alone.
import { leads } from "./steps.js";
import { expect } from "./world.js";

/** What has the focus can be seen: it has an outline, and is in the window. */
export async function seen(page) {
  const told = await page.evaluate(() => {
    const focused = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(focused);
    const { top, bottom } = focused.getBoundingClientRect();
    return {
      name: focused.id || focused.textContent.trim() || focused.name,
      outlined: focused.matches(":focus-visible") && outlineStyle !== "none" && parseFloat(outlineWidth) >= 1,
      inside: bottom > 0 && top < window.innerHeight,
    };
  });
  expect(told).toEqual({ name: told.name, outlined: true, inside: true });
}

/** Goes on by Tab until this has the focus. */
export async function reach(page, wanted) {
  await expect(wanted).toBeVisible();
  for (let steps = 0; steps < 150; steps++) {
    await page.keyboard.press("Tab");
    if (await wanted.evaluate((element) => element === document.activeElement)) return seen(page);
  }
  throw new Error(`${wanted} is not reached by Tab`);
}

/** Presses Enter on this, which leads to another page. */
export async function enter(page, wanted) {
  await reach(page, wanted);
  await leads(page, () => page.keyboard.press("Enter"));
}

/** Ticks this by Space. */
export async function tick(page, box) {
  await reach(page, box);
  await page.keyboard.press("Space");
  await expect(box).toBeChecked();
}

/** Types this into a field, instead of what is there. */
export async function type(page, field, text) {
  await reach(page, field);
  await page.keyboard.press("Control+A");
  await page.keyboard.type(text);
  await expect(field).toHaveValue(text);
}

/** What has the focus, by its id. */
export function focused(page) {
  return page.evaluate(() => document.activeElement.id);
}
