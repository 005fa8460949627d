// Chromium, and the app's side of the bridge as the pages see it.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

import { chromium, type Browser, type Page } from "playwright-core";

import type { Command, LogChunk, Page as PageOf, View } from "../src/bindings";
import { NOW } from "../src/fixture";
import { logs } from "./states";

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

function onPath(): string {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const found = names.flatMap((name) => folders.map((folder) => join(folder, name))).find(runs);
  if (!found) throw new Error(`No Chromium on PATH: one of ${names.join(", ")}`);
  return found;
}

function runs(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function launch(): Promise<Browser> {
  const asRoot = process.getuid?.() === 0;
  return chromium.launch({ executablePath: onPath(), args: asRoot ? ["--no-sandbox"] : [] });
}

export const WIDE = 1000;
export const NARROW = 480;

/** What the mocked app keeps for the tests. */
interface Mock {
  sent: Command[];
  show(view: View): void;
  /** The tray leads to a page. */
  lead(page: PageOf): void;
  /** All that the log has said, whichever it is. */
  log: LogChunk;
  /** It has said more. */
  says(lines: string[], first?: number): void;
  /** What was asked of it: numbers of logs and of lines. */
  pulls: [number, number][];
}

declare global {
  interface Window {
    mock: Mock;
  }
}

/** A window of the app in one state, with everything that went wrong in it. `null`: the app does not answer. */
export async function open(browser: Browser, address: string, view: View | null, still = true): Promise<{ page: Page; wrong: string[] }> {
  const context = await browser.newContext({ locale: "en-US", timezoneId: "UTC", viewport: { width: WIDE, height: 720 } });
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
  page.on("request", (request) => request.url().startsWith(address) || wrong.push(`it asked for ${request.url()}`));
  // Times read the same in every picture; only who measures needs a clock that goes.
  if (still) await page.clock.setFixedTime(NOW * 1000);
  const log = logs[view?.history?.log?.log.number ?? view?.system?.log?.number ?? 0] ?? { first: 0, lines: [] };
  await page.addInitScript(mock, { view, log });
  await page.goto(address);
  await page.waitForSelector("h1");
  return { page, wrong };
}

function mock({ view, log }: { view: View | null; log: LogChunk }): void {
  // As the app does it: a chunk from a line on, as JSON, when there is one.
  const chunk = 2000;
  let more = () => {};
  const pull = async (number: number, from: number): Promise<LogChunk> => {
    window.mock.pulls.push([number, from]);
    while (from >= window.mock.log.first + window.mock.log.lines.length) await new Promise<void>((said) => (more = said));
    const { first, lines } = window.mock.log;
    const start = Math.max(0, from - first);
    return new Response(JSON.stringify({ first, lines: lines.slice(start, start + chunk) })).json();
  };
  const callbacks = new Map<number, (event: unknown) => void>();
  const listeners = new Map<string, number>();
  const invoke = async (command: string, given: { command: Command; event: string; handler: number; number: number; from: number }): Promise<unknown> => {
    if (command === "view") {
      if (view) return view;
      throw new Error("the app is gone");
    }
    if (command === "log") return pull(given.number, given.from);
    if (command === "act") window.mock.sent.push(given.command);
    if (command === "plugin:event|listen") listeners.set(given.event, given.handler);
    return null;
  };
  const transformCallback = (callback: (event: unknown) => void): number => {
    callbacks.set(callbacks.size + 1, callback);
    return callbacks.size;
  };
  Object.assign(window, {
    __TAURI_INTERNALS__: { invoke, transformCallback },
    mock: {
      sent: [],
      pulls: [],
      log,
      says: (lines, first = 0) => {
        window.mock.log = { first, lines };
        more();
      },
      lead: (payload: PageOf) => callbacks.get(listeners.get("open-page") ?? 0)?.({ payload }),
      show: (payload: View) => callbacks.get(listeners.get("view-changed") ?? 0)?.({ payload }),
    } satisfies Mock,
  });
}
