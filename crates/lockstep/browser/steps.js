// What several stories do, and what they begin with.
import { readFile } from "node:fs/promises";
import { CAST, PASSWORD, expect } from "./world.js";

/** What is written when the first plan of `CAST` is applied. */
export const AFTER = [
  { channel: 1, after: "gpt-5,gpt-5-mini,gpt-4.1" },
  { channel: 3, after: "gemini-2.5-pro,gemini-2.5-flash,gemini-2.0-flash,gemini-2.5-flash-lite" },
];

/** Opens the model sync page of the site. */
export async function open(page, server, more = "") {
  await page.goto(`${server.url}/sites/main/models${more}`);
}

/** Somebody else ends the newest run. */
export async function cancel(page, server) {
  const runs = `${server.url}/api/v1/sites/main/runs`;
  const { run } = (await (await page.request.get(`${runs}?limit=1`)).json()).runs[0];
  const answer = await page.request.post(`${runs}/${run}/cancel`, { headers: { origin: server.url } });
  expect(answer.ok(), await answer.text()).toBe(true);
}

/** Types the password where one signs in. */
export async function signIn(page) {
  await page.locator("#password").fill(PASSWORD);
  await page.locator("#password").press("Enter");
}

/** Has the page remember that it is this one: another one, also one of the same address, would not. */
export async function remember(page) {
  await page.evaluate(() => (window.remembers = true));
}

/** Whether it is the page that was told to remember. */
export function remembers(page) {
  return page.evaluate(() => window.remembers === true);
}

/** Has the run that is under way come to rest. */
export async function rests(page) {
  await expect(page.locator("#live")).toHaveCount(0, { timeout: 45_000 });
}

/** Does what leads to another page, and waits for that page. */
export async function leads(page, act) {
  await Promise.all([page.waitForEvent("domcontentloaded"), act()]);
}

/** Presses what begins a run, and waits for its end. */
export async function through(page, name) {
  await leads(page, () => page.getByRole("button", { name, exact: true }).click());
  await rests(page);
}

/** Plans over all channels, and applies the plan as it is shown. */
export async function bring(page, server) {
  await open(page, server);
  await through(page, "Preview");
  await leads(page, () => page.getByRole("button", { name: /^Apply \d+ changes?$/ }).click());
  await rests(page);
}

/** Runs over all channels. */
export async function runAll(page, server) {
  await open(page, server);
  await through(page, "Run All");
}

/** What was written to channels, or to them after so many writes, in the order of their ids. */
export async function written(gateway, before = 0) {
  const writes = (await gateway.writes()).filter((write) => write.channel !== null).slice(before);
  return writes.map(({ channel, after }) => ({ channel, after })).sort((one, other) => one.channel - other.channel);
}

/** What is said above the page of what was just done. */
export function said(page, text) {
  return page.locator("#main > .say").filter({ hasText: text });
}

/** Another admin's browser, signed in. */
export async function another(browser, server, watch) {
  const context = watch.on(await browser.newContext());
  const page = await context.newPage();
  await page.goto(server.url);
  await signIn(page);
  await expect(page).toHaveURL(`${server.url}/`);
  return page;
}

/** A file that a link leads to, as a text. */
export async function file(page, link) {
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  return readFile(await download.path(), "utf8");
}

/** The lines of a CSV file without its head, each as its fields; none of a story's has quotes. */
export function lines(csv) {
  const lines = csv.trim().split("\r\n");
  return lines.slice(1).map((line) => line.split(","));
}

/** Prices of a shop: one is dearer than the gateway's, one equal, and one of a model that nobody priced. */
const SHOP = [
  { model: "gpt-5", input: 1.5, output: 12 },
  { model: "gpt-5-mini", input: 0.25, output: 2 },
  { model: "claude-new", input: 4, output: 20 },
];

/** What a story about prices begins with. */
export const PRICES = {
  cast: {
    ...CAST,
    providers: [...CAST.providers, { name: "shop", models: [], prices: SHOP }],
    // It is served, and nobody priced it.
    channels: [...CAST.channels, { id: 5, name: "New", provider: "bolt", models: ["claude-new"] }],
  },
  settings: { pace: "auto", "price-mode": "both" },
};

/** Has the shop among the site's sources, and opens the page of prices. */
export async function openPrices(page, context, server, gateway) {
  const added = await context.request.post(`${server.url}/api/v1/sites/main/sources`, {
    headers: { origin: server.url },
    data: { source: `${gateway.providers.shop},endpoint=/api/pricing,name=shop` },
  });
  expect(added.ok(), await added.text()).toBe(true);
  await page.goto(`${server.url}/sites/main/prices`);
}

/** The page once nothing goes on behind it. */
export async function settled(page) {
  await expect(async () => {
    await page.reload();
    await expect(page.locator("#working, #live")).toHaveCount(0, { timeout: 300 });
  }).toPass();
}

/** What was written to the gateway's options after so many writes: by key, each model with what it had and has. */
export async function repriced(gateway, since = 0) {
  const writes = (await gateway.writes()).slice(since).filter((write) => write.option !== null);
  const keys = writes.map(({ option }) => option);
  expect(keys, "each option once").toEqual([...new Set(keys)]);
  return Object.fromEntries(writes.map(({ option, before, after }) => [option, differences(before, after)]));
}

/** What differs between two maps that are written as JSON. */
function differences(before, after) {
  const [old, now] = [before, after].map((text) => JSON.parse(text || "{}"));
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])];
  const differing = names.filter((name) => JSON.stringify(old[name]) !== JSON.stringify(now[name]));
  return Object.fromEntries(differing.map((name) => [name, [old[name] ?? null, now[name] ?? null]]));
}

/** The options of the gateway as texts, as they were before the first write and are after the last. */
export async function texts(gateway) {
  const all = {};
  for (const { option, before, after } of await gateway.writes()) {
    if (option !== null) all[option] = { before: all[option]?.before ?? before, after };
  }
  return all;
}

/** What the gateway charges for a model. */
export function charges(gateway, model) {
  return gateway.do("charges", { model });
}
