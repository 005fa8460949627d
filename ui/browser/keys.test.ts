// What the keyboard does, and that nothing moves for who wants no motion.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";

import type { View } from "../src/bindings";
import { launch, open } from "./browser";
import { built, states } from "./states";

const address = inject("address");
let browser: Browser;

beforeAll(async () => (browser = await launch()));
afterAll(() => browser.close());

const state = (name: string) => states[name] as View;
const at = (page: Page) => page.evaluate(() => document.querySelector("nav [aria-current]")?.getAttribute("data-page"));
const focused = (page: Page) =>
  page.evaluate(() => (document.activeElement as HTMLElement).dataset["search"] ?? document.activeElement?.getAttribute("data-page"));
/** What was asked for, but for the pages that were told of. */
const sent = (page: Page) => page.evaluate(() => window.mock.sent.filter((command) => command.do !== "show_page"));

/** A job that has said this. */
async function withLog(lines: string[]): Promise<Page> {
  const { page } = await open(browser, address, state("rebuilding"));
  await page.evaluate((lines) => window.mock.says(lines), lines);
  await page.keyboard.press("3");
  await page.waitForSelector(`[data-line="${lines.length - 1}"]`);
  return page;
}

test("each page has its number, and / its search", async () => {
  const { page } = await open(browser, address, state("crowded"));
  const pages = await page.$$eval("nav [data-page]", (all) => all.map((one) => one.getAttribute("data-page")));
  for (const [i, name] of pages.entries()) {
    await page.keyboard.press(String(i + 1));
    expect([await at(page), await focused(page)]).toEqual([name, name]);
  }
  await page.keyboard.press("9");
  expect(await at(page)).toBe("doctor");

  await page.keyboard.press("2");
  await page.keyboard.press("/");
  expect(await focused(page)).toBe("sessions");
  await page.keyboard.type("session-12");
  expect(await page.locator("[data-sessions] tbody tr").count()).toBe(1);
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  expect((await sent(page)).at(-1)).toEqual({ do: "connect", session: "session-10" });
  await page.keyboard.press("/");
  // A number is typed there, and leads nowhere.
  expect(await at(page)).toBe("sessions");
  await page.keyboard.press("Escape");
  expect(await page.locator("[data-sessions] tbody tr").count()).toBe(24);
  await page.keyboard.press("Escape");
  expect(await focused(page)).toBeFalsy();
  await page.keyboard.press("1");
  await page.keyboard.press("/");
  expect(await focused(page)).toBe("snapshots");
  await page.click("[data-act=all-generations]");
  await page.keyboard.press("/");
  expect(await focused(page)).toBe("generations");
});

test("Esc leaves a question, and then a preview", async () => {
  const { page } = await open(browser, address, state("resize"));
  await page.click("[data-act=stop]");
  expect(await page.evaluate(() => (document.activeElement as HTMLElement).dataset["act"])).toBe("stop-no");
  await page.keyboard.press("Escape");
  expect(await page.locator("[data-act=stop-no]").count()).toBe(0);
  expect(await page.evaluate(() => (document.activeElement as HTMLElement).dataset["act"])).toBe("stop");
  await page.keyboard.press("Escape");
  expect(await sent(page)).toEqual([{ do: "discard" }]);
});

test("what was changed and the profiles are found and opened without the mouse", async () => {
  const { page } = await open(browser, address, state("crowded"));
  await page.keyboard.press("3");
  // Without the log, whose search would come first.
  await page.keyboard.press("l");
  await page.keyboard.press("/");
  expect(await focused(page)).toBe("history");
  await page.keyboard.type("snapshot");
  expect(await page.locator("[data-run]").count()).toBe(12);
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  expect(await page.locator(".deeds li").count()).toBe(1);

  await page.keyboard.press("4");
  await page.keyboard.press("/");
  expect(await focused(page)).toBe("profiles");
  await page.keyboard.type("team-17");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  expect(await page.inputValue("[name=profile]")).toBe("team-17/AdministratorAccess");
  expect(await page.evaluate(() => (document.activeElement as HTMLInputElement).name)).toBe("profile");
});

test("a person signs in without the mouse", async () => {
  const { page } = await open(browser, address, state("signed-out"));
  await page.focus("[data-act=sign-in]");
  await page.keyboard.press("Enter");
  expect(await sent(page)).toEqual([{ do: "sign_in", through: "browser" }]);
  await page.evaluate((view) => window.mock.show(view), state("signing-in-device"));
  await page.waitForSelector("[name=mfa]");
  expect(await page.evaluate(() => (document.activeElement as HTMLInputElement).name)).toBe("mfa");
  await page.keyboard.type("123 456");
  await page.keyboard.press("Enter");
  expect((await sent(page)).at(-1)).toEqual({ do: "say_code", code: "123 456" });
  await expect.poll(() => page.inputValue("[name=mfa]")).toBe("");
});

test("who wants a new session from the tray can type its name, and opens none without a name", async () => {
  const { page } = await open(browser, address, state("on"));
  const field = () => page.evaluate(() => (document.activeElement as HTMLInputElement).name);
  await page.keyboard.press("2");
  expect(await field()).not.toBe("session");
  await page.click("[data-act=open-session]", { force: true });
  expect(await sent(page)).toEqual([]);
  await page.keyboard.press("1");
  await page.evaluate(() => window.mock.lead("sessions"));
  await expect.poll(field).toBe("session");
  await page.keyboard.press("Enter");
  expect(await sent(page)).toEqual([]);
  await page.keyboard.type("fresh");
  await page.keyboard.press("Enter");
  expect(await sent(page)).toEqual([{ do: "open_session", name: "fresh" }]);
});

test("a plan comes into sight once, and a page begins at its top", async () => {
  const { settings } = state("on");
  const { preview, commands } = state("resize");
  const { page } = await open(browser, address, state("on"));
  const show = (rest: Partial<View>) => page.evaluate((view) => window.mock.show(view), { ...state("on"), settings, ...rest });
  const top = () => page.evaluate(() => scrollY);
  await page.setViewportSize({ width: 920, height: 680 });
  await page.keyboard.press("4");
  await show({ preview: { ...preview!, looking: true } });
  await expect.poll(top).toBeGreaterThan(0);
  await page.evaluate(() => scrollTo(0, 0));
  await show({ preview: { ...preview!, looking: true } });
  await page.waitForTimeout(100);
  expect(await top()).toBe(0);
  await show({ preview, commands });
  await expect.poll(top).toBeGreaterThan(0);
  expect(await page.locator("[data-act=apply]").evaluate((one) => one.getBoundingClientRect().bottom <= innerHeight)).toBe(true);
  await page.click("[data-act=apply]");
  await page.click("[data-act=apply-yes]");
  await page.waitForSelector("[data-page=machine][aria-current]");
  expect(await top()).toBe(0);
  await page.keyboard.press("4");
  expect(await top()).toBe(0);
});

test("what is known is chosen, and anything else is typed", async () => {
  const first = state("first-start");
  const { page } = await open(browser, address, { ...first, settings: { ...first.settings, regions: ["us-west-2", "eu-central-1"] } });
  await page.selectOption("[data-known=region]", "eu-central-1");
  expect(await page.inputValue("[name=region]")).toBe("eu-central-1");
  await page.fill("[name=region]", "mars-north-1");
  expect(await page.inputValue("[data-known=region]")).toBe("");
  await page.click("[data-act=decide]");
  expect((await sent(page)).at(-1)).toEqual({ do: "keep", draft: { region: "mars-north-1" } });
});

test("findings are copied as text", async () => {
  const { page } = await open(browser, address, state("sick"));
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.keyboard.press("5");
  await page.click("[data-act=copy-findings]");
  const text = await page.evaluate(() => navigator.clipboard.readText());
  expect(text).toContain("2 things do not work.\n\nWorth a look\n  failed   Network: ssm cannot be reached");
  expect(text).toContain("  failed   Permissions: denied: ec2:ModifyVolume");
  await page.click("[data-act=examine]");
  expect(await sent(page)).toEqual([{ do: "examine" }]);
});

test("Enter does what the focused button says", async () => {
  const { page } = await open(browser, address, state("on"));
  await page.focus("[data-act=connect]");
  await page.keyboard.press("Enter");
  expect(await sent(page)).toEqual([{ do: "connect", session: null }]);
});

test("the focus stays near a button that goes when it is pressed", async () => {
  const before = state("olderLog");
  const { page } = await open(browser, address, { ...before, history: { ...before.history!, log: null } });
  const show = (view: View) => page.evaluate((view) => window.mock.show(view), view);
  const has = (selector: string) => expect.poll(() => page.evaluate((selector) => document.activeElement?.matches(selector), selector)).toBe(true);
  await page.keyboard.press("3");
  await page.focus("[data-run=rebuild] [data-act=open-run]");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await has("[data-act=show-log-of]");
  await page.keyboard.press("Enter");
  await show({ ...before, history: { ...before.history!, log: { ...before.history!.log!, reading: true } } });
  await has("[data-log-of]");
  await page.keyboard.press("Tab");
  await has("[data-log-of] [data-search]");

  await show(state("unopened"));
  await page.focus('[data-act="open-in:xterm"]');
  await page.keyboard.press("Enter");
  await show(state("openedInstead"));
  await has("[data-problem=no_terminal_window]");
  await page.keyboard.press("Tab");
  await has('[data-act="always-in:xterm"]');
  await page.keyboard.press("Enter");
  await show(state("on"));
  await has("h1");
});

test("a log is searched from match to match, and left", async () => {
  const page = await withLog(built(5000));
  await page.keyboard.press("/");
  await page.keyboard.type("WARNING: git");
  const count = page.locator(".count");
  await expect.poll(() => count.innerText()).toBe("94 found");
  await page.keyboard.press("Enter");
  const first = await page.locator(".row.current").innerText();
  expect(first).toBe("warning: Git tree '/etc/nixos' is dirty");
  await expect.poll(() => count.innerText()).toMatch(/^\d+ of 94$/);
  const before = Number((await count.innerText()).split(" ")[0]);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.press("Shift+Enter");
  await expect.poll(() => count.innerText()).toBe(`${before - 1 || 94} of 94`);
  expect(await page.locator(".row.current").isVisible()).toBe(true);
  await page.keyboard.press("Escape");
  expect(await count.innerText()).toBe("");
  await page.keyboard.press("Escape");
  expect(await page.evaluate(() => document.activeElement?.getAttribute("role"))).toBe("log");
});

test("a log is marked and copied, also what is scrolled away", async () => {
  const page = await withLog(built(5000));
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  const plain = "copying path '/nix/store/";

  await page.focus("[role=log]");
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Control+c");
  const all = (await clipboard()).split("\n");
  expect([all.length, all[0]?.slice(0, plain.length)]).toEqual([5000, plain]);
  expect(all.some((line) => line.includes("\u001b"))).toBe(false);
  await page.evaluate(() => getSelection()?.removeAllRanges());

  // From one line down to another that is far away.
  await page.evaluate(() => document.querySelector("[role=log]")?.scrollTo(0, 0));
  const row = (line: number) => page.locator(`[data-line="${line}"]`);
  const box = (await row(2).boundingBox())!;
  await page.mouse.move(box.x, box.y + 9);
  await page.mouse.down();
  await page.mouse.move(box.x + 30, box.y + 40);
  await page.mouse.wheel(0, 3600);
  await row(202).waitFor();
  const end = (await row(202).boundingBox())!;
  await page.mouse.move(end.x, end.y + 9);
  await page.mouse.up();
  await page.click("[data-act=log-copy]");
  expect(await page.locator("[data-act=log-copy]").innerText()).toBe("Copy selection");
  const some = (await clipboard()).split("\n");
  expect(some.slice(0, -1)).toEqual(all.slice(2, 202));
});

test("a log stays at its end until somebody reads, and what he reads stays in its place", async () => {
  const page = await withLog(built(300));
  const says = (lines: string[], first: number) => page.evaluate(([lines, first]) => window.mock.says(lines, first), [lines, first] as const);
  const line = (at: "first" | "last") =>
    page.evaluate((at) => {
      const box = document.querySelector("[role=log]")!.getBoundingClientRect();
      const rows = [...document.querySelectorAll<HTMLElement>("[data-line]")].filter((row) => {
        const { top, bottom } = row.getBoundingClientRect();
        return bottom > box.top + 1 && top < box.bottom - 1;
      });
      return Number((at === "first" ? rows[0] : rows.at(-1))?.dataset["line"]);
    }, at);

  expect(await line("last")).toBe(299);
  await says(built(300, 100), 100);
  await expect.poll(() => line("last")).toBe(399);
  expect(await page.locator("[data-act=log-follow]").count()).toBe(0);

  await page.hover("[role=log]");
  await page.mouse.wheel(0, -1800);
  await page.waitForSelector("[data-act=log-follow]");
  await expect.poll(() => line("first")).toBeLessThan(320);
  const reading = await line("first");
  await says(built(300, 150), 150);
  await expect.poll(() => page.innerText("[data-act=log-follow]")).toBe("50 new lines");
  expect(await line("first")).toBe(reading);
  await page.click("[data-act=log-follow]");
  expect(await line("last")).toBe(449);
  expect(await page.locator("[data-act=log-follow]").count()).toBe(0);
});

test("a log is asked for only while it is seen, and that of another job from its beginning", async () => {
  const view = state("rebuilding");
  const { page } = await open(browser, address, view);
  const pulls = () => page.evaluate(() => window.mock.pulls);
  expect(await pulls()).toEqual([]);
  await page.keyboard.press("l");
  await page.waitForSelector('[data-line="1699"]');
  expect(await pulls()).toEqual([[2, 0], [2, 1700]]);
  expect(await page.innerText(".rest")).toBe("1,200 lines before these");
  await page.evaluate((lines) => window.mock.says(lines, 1200), built(501, 1200));
  await page.waitForSelector('[data-line="1700"]');
  await expect.poll(pulls).toEqual([[2, 0], [2, 1700], [2, 1701]]);

  await page.keyboard.press("l");
  expect(await page.locator("[role=log]").count()).toBe(0);
  await page.evaluate((lines) => window.mock.says(lines, 1200), built(502, 1200));
  await page.waitForTimeout(100);
  expect(await pulls()).toHaveLength(3);
  await page.keyboard.press("l");
  await page.waitForSelector('[data-line="1701"]');

  await page.evaluate((view) => {
    window.mock.says(["of another job"]);
    window.mock.show({ ...view, system: { ...view.system!, log: { number: 7 } } });
  }, view);
  await expect.poll(() => page.locator("[data-line]").allInnerTexts()).toEqual(["of another job"]);
  await expect.poll(async () => (await pulls()).slice(-2)).toEqual([[7, 0], [7, 1]]);
});

test("a log that somebody searches counts what comes", async () => {
  const page = await withLog(["an error", "well"]);
  await page.keyboard.press("/");
  await page.keyboard.type("error");
  await expect.poll(() => page.innerText(".count")).toBe("1 found");
  await page.evaluate(() => window.mock.says(["an error", "well", "one more \u001b[31merr\u001b[0mor"]));
  await expect.poll(() => page.innerText(".count")).toBe("2 found");
});

test("nothing moves for who wants no motion", async () => {
  for (const [wish, moves] of [["no-preference", true], ["reduce", false]] as const) {
    for (const name of ["starting", "replacing"]) {
      const { page } = await open(browser, address, state(name));
      await page.emulateMedia({ reducedMotion: wish });
      expect(await page.evaluate(() => document.getAnimations().length > 0), `${name}, ${wish}`).toBe(moves);
    }
  }
});
