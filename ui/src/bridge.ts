// The one place that talks to Rust.

import { listen } from "@tauri-apps/api/event";

import { commands, type Command, type LogChunk, type Page, type Refusal, type View } from "./bindings";
import { places, type Place } from "./view";

/** What is shown now. */
export function current(): Promise<View> {
  return commands.view();
}

/** The command that was asked for last. */
let before: Promise<unknown> = Promise.resolve();

/**
 * Asks for a command. Resolves with the refusal, if it is one, and never rejects. Commands arrive in their order: Rust
 * answers each on any of its threads.
 */
export function act(command: Command): Promise<Refusal | null> {
  const asked = before.then(() => ask(command));
  before = asked;
  return asked;
}

async function ask(command: Command): Promise<Refusal | null> {
  try {
    await commands.act(command);
    return null;
  } catch (error) {
    return refusal(error);
  }
}

/** Lines of a log from a number on, as soon as there are any. Rejects with the reason why there are none. */
export async function log(number: number, from: number): Promise<LogChunk> {
  try {
    return await commands.log(number, from);
  } catch (error) {
    throw refusal(error).why;
  }
}

/** Calls back with every view that follows; resolves once it listens. */
export async function onView(callback: (view: View) => void): Promise<void> {
  await listen<View>("view-changed", (event) => callback(event.payload));
}

/** Calls back when the tray or a notification asks for a page; resolves once it listens. */
export async function onPage(callback: (page: Page) => void): Promise<void> {
  await listen<Page>("open-page", (event) => callback(event.payload));
}

/** The page that the address asks for. */
export function firstPage(): Page | Place {
  const asked = location.hash.slice(1);
  return ([...places, "stop", "restart", "replacement"] as const).find((page) => page === asked) ?? "machine";
}

function refusal(error: unknown): Refusal {
  return isRefusal(error) ? error : { why: String(error) };
}

function isRefusal(error: unknown): error is Refusal {
  return typeof error === "object" && error !== null && "why" in error && typeof error.why === "string";
}
