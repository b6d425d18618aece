// What every story stands on: a simulated gateway, the real binary, and a page that is signed in.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { test as base, expect } from "@playwright/test";
import axe from "axe-core";

export { expect };

const BUILT = resolve(import.meta.dirname, "../../..", process.env.CARGO_TARGET_DIR ?? "target", "debug");
export const PASSWORD = "a password for stories";

/** A process whose lines are read one after the other. */
class Talking {
  constructor(command, args, options = {}) {
    this.said = "";
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], ...options });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.child.stderr.on("data", (text) => (this.said += text));
    this.ended = new Promise((done) => this.child.on("exit", done));
  }

  async line() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`it ended: ${this.said}`);
    return value;
  }

  /** The first match in what it says on standard error. */
  async says(pattern) {
    for (let tries = 0; tries < 1500; tries++) {
      const found = this.said.match(pattern);
      if (found) return found[1];
      if (this.child.exitCode !== null) break;
      await new Promise((again) => setTimeout(again, 20));
    }
    throw new Error(`it does not say ${pattern}: ${this.said}`);
  }

  async end(signal = "SIGTERM") {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    await this.ended;
  }
}

/** A simulated gateway. What there is and what can be done: `crates/lockstep-sim/examples/stage.rs`. */
class Gateway {
  static async start(cast) {
    const gateway = new Gateway();
    gateway.process = new Talking(join(BUILT, "examples", "stage"), []);
    Object.assign(gateway, await gateway.ask(cast));
    return gateway;
  }

  async ask(object) {
    this.process.child.stdin.write(`${JSON.stringify(object)}\n`);
    return JSON.parse(await this.process.line());
  }

  async do(deed, more = {}) {
    const answer = await this.ask({ do: deed, ...more });
    if (answer.error) throw new Error(answer.error);
    return answer.done;
  }

  /** What its log says was changed. */
  writes() {
    return this.do("writes");
  }

  models(channel) {
    return this.do("models", { channel });
  }
}

/** `lockstep serve` over a database of its own. */
class Lockstep {
  static async start(folder, more = []) {
    const server = new Lockstep();
    server.folder = folder;
    server.more = more;
    await server.up();
    return server;
  }

  async up() {
    const listen = this.url ? new URL(this.url).host : "127.0.0.1:0";
    const args = ["serve", "--listen", listen, "--database", join(this.folder, "lockstep.db"), ...this.more];
    const env = { PATH: process.env.PATH, HOME: this.folder, LANG: "C.UTF-8", LOCKSTEP_ALLOW_PRIVATE: "127.0.0.0/8" };
    this.process = new Talking(join(BUILT, "lockstep"), args, { env });
    this.url = await this.process.says(/Lockstep listens on (\S+)/);
  }

  /** The one-time link that the first start prints. */
  link() {
    return this.process.says(/(http\S+\/sign-in\/link#\S+)/);
  }

  down(signal) {
    return this.process.end(signal);
  }

  async again(signal) {
    await this.down(signal);
    await this.up();
  }
}

/** What the browser says of its own accord of what is told here already, or of requests that a page itself ended. */
const TOLD = /^Failed to load resource|^EventSource's response has|^htmx:(sendAbort|afterRequest)\b/;

/** What browsers are refused and complain of. What a story does not expect fails it, and so does what it expects in vain. */
class Watch {
  complaints = [];
  expected = [];
  over = false;

  /** Listens to all pages of a browser. */
  on(context) {
    const asked = (request) => `${request.method()} ${new URL(request.url()).pathname}`;
    context.on("response", (answer) => answer.status() >= 400 && this.hear(`${answer.status()} to ${asked(answer.request())}`));
    context.on("requestfailed", (request) => {
      const why = request.failure().errorText;
      // A page that is left, or asks anew, ends what it asked for.
      if (why !== "net::ERR_ABORTED") this.hear(`${why} of ${asked(request)}`);
    });
    context.on("console", (line) => line.type() === "error" && !TOLD.test(line.text()) && this.hear(line.text()));
    context.on("weberror", (error) => this.hear(String(error.error())));
    return context;
  }

  hear(complaint) {
    if (!this.over) this.complaints.push(complaint);
  }

  /** The story expects these: answers by their status, anything else by what is said of it. */
  expects(...them) {
    const pattern = (one) => (typeof one === "number" ? new RegExp(`^${one} to|Status Error Code ${one} `) : one);
    this.expected.push(...them.map(pattern));
  }

  /** The story expects that the connection to the server is lost. */
  loses() {
    // A stream of events tells of it by an event, which is logged as what it is.
    this.expects(/ERR_(CONNECTION|INCOMPLETE|EMPTY|INTERNET|NETWORK)|^(\[object )?Event\]?$|^htmx:sendError\b/);
  }

  judge() {
    const met = (complaint) => this.expected.some((one) => one.test(complaint));
    expect(this.complaints.filter((complaint) => !met(complaint))).toEqual([]);
    const vain = this.expected.filter((one) => !this.complaints.some((complaint) => one.test(complaint)));
    expect(vain.map(String), "expected in vain").toEqual([]);
  }
}

/** Four channels of three providers: one list grew, one lost a name, one is as it should be, one is switched off. */
export const CAST = {
  providers: [
    { name: "acme", models: ["gpt-5", "gpt-5-mini", "gpt-4.1"] },
    { name: "bolt", models: ["claude-sonnet-4-5", "claude-haiku-4-5"] },
    { name: "core", models: ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.0-flash", "gemini-2.5-flash-lite"] },
  ],
  channels: [
    { id: 1, name: "Acme", provider: "acme", models: ["gpt-5", "gpt-5-mini"] },
    { id: 2, name: "Bolt", provider: "bolt", models: ["claude-sonnet-4-5", "claude-haiku-4-5"] },
    { id: 3, name: "Core", provider: "core", models: ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.0-flash"] },
    { id: 4, name: "Old", provider: "acme", models: ["gpt-5", "gpt-5-mini", "gpt-4.1"], status: 2 },
  ],
  prices: [
    { model: "gpt-5", input: 1.25, output: 10 },
    { model: "gpt-5-mini", input: 0.25, output: 2 },
    { model: "gpt-4.1", input: 2, output: 8 },
    { model: "claude-sonnet-4-5", input: 3, output: 15 },
    { model: "claude-haiku-4-5", input: 1, output: 5 },
    { model: "gemini-2.5-pro", input: 1.25, output: 10 },
    { model: "gemini-2.5-flash", input: 0.3, output: 2.5 },
    { model: "gemini-2.0-flash", input: 0.1, output: 0.4 },
    { model: "gemini-2.5-flash-lite", input: 0.1, output: 0.4 },
  ],
};

export const test = base.extend({
  /** What the gateway of the story is made of. */
  cast: [CAST, { option: true }],
  /** Settings of the site. */
  settings: [{ pace: "auto" }, { option: true }],
  /** Whether the site is connected before the story begins. */
  connected: [true, { option: true }],

  gateway: async ({ cast }, use) => {
    const gateway = await Gateway.start(cast);
    await use(gateway);
    await gateway.process.end();
  },

  server: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-story-"));
    const server = await Lockstep.start(folder);
    await use(server);
    await server.down();
    await rm(folder, { recursive: true });
  },

  /** The demo, with weeks of history: where it is, and the address that lets one in. Stories share it, and change nothing. */
  demo: [
    async ({}, use) => {
      const demo = new Talking(join(BUILT, "lockstep"), ["demo", "--json", "--listen", "127.0.0.1:0"]);
      const way = new URL(JSON.parse(await demo.line()).page);
      await use({ url: way.origin, way: way.href });
      await demo.end();
    },
    { scope: "worker" },
  ],

  /** What browsers complain of. */
  watch: async ({}, use) => {
    const watch = new Watch();
    await use(watch);
    watch.judge();
  },

  /** A page that is signed in, over a connected site. */
  page: async ({ page, context, server, gateway, connected, settings, watch }, use) => {
    watch.on(context);
    const link = await server.link();
    // By the API, for not every story is about coming in, nor has a browser with scripts.
    const headers = { origin: server.url };
    const entered = await context.request.post(`${server.url}/api/v1/sign-in/link`, {
      headers,
      data: { link: link.split("#")[1], password: PASSWORD },
    });
    expect(entered.ok(), await entered.text()).toBe(true);
    if (connected) {
      const added = await context.request.post(`${server.url}/api/v1/sites`, {
        headers,
        data: { name: "main", url: gateway.url, user_id: "1", token: gateway.token, allow_private: ["127.0.0.0/8"], settings },
      });
      expect(added.ok(), await added.text()).toBe(true);
    }
    await page.goto(server.url);
    await use(page);
    // What is lost from here on is lost with the story.
    watch.over = true;
  },
});

/** Has the page note what moves in it that nobody moved, from now on. */
export async function notesShifts(page) {
  await page.evaluate(() => {
    window.shifts = [];
    const note = ({ value, hadRecentInput, sources }) => {
      const moved = sources.map(({ node }) => node?.outerHTML?.slice(0, 100) ?? node?.textContent);
      if (!hadRecentInput) window.shifts.push({ value, moved });
    };
    new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type: "layout-shift" });
  });
}

/** What moved in the page. */
export function shifts(page) {
  return page.evaluate(() => window.shifts);
}

/** Nothing of the page breaks the rules of WCAG 2.1 AA, and nothing of it is wider than the window. */
export async function looksRight(page) {
  await page.evaluate(axe.source);
  const told = await page.evaluate(async () => {
    const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
    const { violations } = await window.axe.run(document, { runOnly: rules });
    return violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" | ")}`);
  });
  expect(told).toEqual([]);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(over, "wider than the window").toBeLessThanOrEqual(0);
}
