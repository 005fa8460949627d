// Every page in every state: nothing inaccessible, nothing wider than the window, all of it by keyboard. Pictures in shots/.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { source as axe } from "axe-core";
import type { AxeResults } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";

import { launch, NARROW, open, WIDE } from "./browser";
import { shots } from "./paths";
import { states } from "./states";

const themes = ["light", "dark"] as const;
const widths = [WIDE, NARROW] as const;
/** The window opens this wide, and gets no narrower than that. */
const USUAL = 920;
const NARROWEST = 420;

const address = inject("address");
let browser: Browser;
let looked = 0;

beforeAll(async () => {
  browser = await launch();
  rmSync(shots, { recursive: true, force: true });
  mkdirSync(shots);
});

afterAll(async () => {
  await browser.close();
  console.log(`${Object.keys(states).length} states, ${looked} pages looked at; pictures in ${shots}`);
});

const placesOf = (page: Page) => page.$$eval("nav [data-page]", (links) => links.map((link) => link.getAttribute("data-page")));

async function go(page: Page, place: string | null): Promise<void> {
  await page.click(`nav [data-page=${place}]`);
  await page.mouse.move(0, 0);
  // Its lines come once it is seen.
  await page.waitForFunction(() => !document.querySelector("[role=log]") || window.mock.log.lines.length === 0 || document.querySelector("[data-line]"));
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
}

describe.concurrent("each page", () => {
  test.each(Object.keys(states))("%s", async (state) => {
    const { page, wrong } = await open(browser, address, states[state] ?? null);
    await page.evaluate(axe);
    for (const place of await placesOf(page)) {
      await go(page, place);
      for (const width of widths) {
        await page.setViewportSize({ width, height: 720 });
        for (const theme of themes) {
          await page.emulateMedia({ colorScheme: theme });
          const where = `${state}-${place}-${theme}-${width}`;
          await picture(page, width, where);
          expect(await violations(page), where).toEqual([]);
          looked++;
        }
        expect(await tooWide(page), `${state}-${place}-${width}`).toEqual([]);
      }
      for (const width of [USUAL, NARROWEST]) {
        await page.setViewportSize({ width, height: 720 });
        expect(await tooWide(page), `${state}-${place}-${width}`).toEqual([]);
        // Nobody has to scroll for a button, but for names that are longer than any.
        if (state !== "hostile") expect(await scrolling(page), `${state}-${place}-${width}`).toEqual([]);
      }
      await page.setViewportSize({ width: WIDE, height: 720 });
      expect(await unreachable(page), `${state}-${place} by Tab`).toEqual([]);
    }
    expect(wrong).toEqual([]);
    expect(await page.title()).toBe("Holdfast");
    await page.context().close();
  });
});

/** A picture of the whole page, as a window of that height would show it. */
async function picture(page: Page, width: number, name: string): Promise<void> {
  const height = await page.evaluate(() => document.querySelector("main")?.scrollHeight ?? 0);
  await page.setViewportSize({ width, height: Math.max(720, height + 60) });
  await page.screenshot({ path: join(shots, `${name}.png`) });
  await page.setViewportSize({ width, height: 720 });
}

test.each([
  ["on", "machine", "stop"],
  ["on", "machine", "go:13"],
  ["on", "sessions", "end:main"],
  ["replacement-kept", "machine", "apply"],
  ["resize", "settings", "apply"],
])("%s, on the page %s the question %s", async (state, place, question) => {
  const { page } = await open(browser, address, states[state] ?? null);
  await page.evaluate(axe);
  await go(page, place);
  await page.click(`[data-act="${question}"]`);
  for (const width of widths) {
    await page.setViewportSize({ width, height: 720 });
    for (const theme of themes) {
      await page.emulateMedia({ colorScheme: theme });
      const where = `${state}-${place}-${question.replace(/\W/, "-")}-${theme}-${width}`;
      await picture(page, width, where);
      expect(await violations(page), where).toEqual([]);
    }
    expect(await tooWide(page)).toEqual([]);
  }
});

test("what is sought in a log of all colours can be read", async () => {
  const { page } = await open(browser, address, states["coloured"] ?? null);
  await page.evaluate(axe);
  await go(page, "activity");
  await page.keyboard.press("/");
  await page.keyboard.type("written");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".row.current .hit");
  for (const theme of themes) {
    await page.emulateMedia({ colorScheme: theme });
    await picture(page, WIDE, `coloured-sought-${theme}`);
    expect(await violations(page), theme).toEqual([]);
  }
});

/** What axe holds against a page, in short. */
async function violations(page: Page): Promise<string[]> {
  const results = (await page.evaluate("axe.run({ resultTypes: ['violations'] })")) as AxeResults;
  return results.violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary}`));
}

/** What makes the page scroll sideways. */
function tooWide(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const wide = [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > clientWidth);
    return [`${scrollWidth} > ${clientWidth}`, ...wide.map((one) => `${one.tagName}.${one.className}`)];
  });
}

/** The tables that are wider than their card. */
function scrolling(page: Page): Promise<string[]> {
  return page.$$eval(".scrolls", (all) => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent.slice(0, 200)));
}

/** The controls that Tab does not get to, or that do not show that they have the focus. */
async function unreachable(page: Page): Promise<string[]> {
  const count = await page.evaluate(() => {
    const focusable = "a[href], button:enabled, input:enabled, select, textarea, summary, [tabindex]:not([tabindex='-1'])";
    const controls = [...document.querySelectorAll<HTMLElement>(focusable)].filter((one) => one.checkVisibility());
    controls.forEach((one, i) => (one.dataset["control"] = String(i)));
    return controls.length;
  });
  const reached = new Set<string>();
  const dull: string[] = [];
  for (let presses = 0; presses <= count; presses++) {
    await page.keyboard.press("Tab");
    const [control, shows, html] = await page.evaluate(() => {
      const one = document.activeElement as HTMLElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(one);
      return [one.dataset["control"], outlineStyle !== "none" && parseFloat(outlineWidth) >= 2, one.outerHTML.slice(0, 120)];
    });
    if (control === undefined) continue;
    if (!shows) dull.push(`no focus to be seen: ${html}`);
    reached.add(control);
  }
  const missed = await page.$$eval("[data-control]", (all) => all.map((one) => [one.getAttribute("data-control"), one.outerHTML.slice(0, 120)]));
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  return [...dull, ...missed.flatMap(([control, html]) => (reached.has(control ?? "") ? [] : [`out of reach: ${html}`]))];
}
