// The lines of a log, found and measured. Pure.

import { plain, spans, type Span } from "./ansi";

/** Lines that are asked for one by one: an array, or something that still grows. */
export interface Lines {
  readonly length: number;
  at(index: number): string | undefined;
}

/** Characters of a line that are shown; a longer one is cut. */
export const LONGEST = 2000;

/** How many columns a line takes, or a little more. */
export function columns(line: string): number {
  if (!odd.test(line)) return Math.min(line.length, LONGEST);
  const text = plain(line.slice(0, LONGEST * 4));
  if (!odd.test(text)) return Math.min(text.length, LONGEST);
  let columns = 0;
  for (const character of text) columns += character === "\t" ? 8 : wide.test(character) ? 2 : 1;
  return Math.min(columns, LONGEST);
}

/** Anything but a letter of one column. */
const odd = /[^\x20-\x7e]/;

/** Characters that take two columns, and some that do not. */
const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\ud800-\udbff]/;

export interface Piece extends Span {
  /** It is what is sought. */
  hit: boolean;
}

/** A line as it is shown, with what is sought set apart. */
export function pieces(line: string, sought: string): Piece[] {
  const all = spans(line.length > LONGEST * 4 ? line.slice(0, LONGEST) : line);
  const text = all.map((span) => span.text).join("");
  const marks = hits(text, sought);
  const cut: Piece[] = [];
  let at = 0;
  for (const { text, look } of all) {
    let from = 0;
    while (from < text.length && at + from < LONGEST) {
      const [hit, until] = next(marks, at + from);
      const to = Math.min(text.length, until - at, LONGEST - at);
      cut.push({ text: text.slice(from, to), look, hit });
      from = to;
    }
    at += text.length;
  }
  return cut;
}

/** Whether what is sought is at this place, and until where that is so. */
function next(marks: [number, number][], at: number): [boolean, number] {
  for (const [from, to] of marks) {
    if (at < from) return [false, from];
    if (at < to) return [true, to];
  }
  return [false, Infinity];
}

function hits(text: string, sought: string): [number, number][] {
  const [where, what] = [text.toLowerCase(), sought.toLowerCase()];
  // A letter that grows when it is made small shifts all behind it.
  if (what === "" || where.length !== text.length) return [];
  const all: [number, number][] = [];
  for (let at = where.indexOf(what); at >= 0; at = where.indexOf(what, at + what.length)) all.push([at, at + what.length]);
  return all;
}

/** Looks through a log that may grow meanwhile, a part at a time. Lines are counted from the log's beginning. */
export class Finder {
  /** The lines that have it, in their order. */
  matches: number[] = [];
  #next = 0;
  readonly #sought: string;

  constructor(sought: string) {
    this.#sought = sought.toLowerCase();
  }

  /** Goes on as long as there is time; whether it is at the end. */
  advance(lines: Lines, before: number, inTime: () => boolean): boolean {
    const end = before + lines.length;
    const gone = this.matches.findIndex((line) => line >= before);
    if (gone !== 0) this.matches = gone < 0 ? [] : this.matches.slice(gone);
    this.#next = Math.max(this.#next, before);
    while (this.#next < end && inTime()) {
      const until = Math.min(this.#next + 200, end);
      for (; this.#next < until; this.#next++) {
        if (plain(lines.at(this.#next - before) ?? "").toLowerCase().includes(this.#sought)) this.matches.push(this.#next);
      }
    }
    return this.#next >= end;
  }
}

/** The match after a line, or before it; round at the ends. `null`: there is none. */
export function step(matches: number[], from: number, direction: 1 | -1): number | null {
  const at = direction === 1 ? matches.findIndex((line) => line > from) : matches.findLastIndex((line) => line < from);
  return matches.at(at < 0 ? (direction === 1 ? 0 : -1) : at) ?? null;
}

/** A place in the text of a log. */
export interface Place {
  line: number;
  offset: number;
}

/** The text between two places. */
export function between(lines: Lines, before: number, a: Place, b: Place): string {
  const [from, to] = a.line < b.line || (a.line === b.line && a.offset <= b.offset) ? [a, b] : [b, a];
  const all: string[] = [];
  for (let line = from.line; line <= to.line; line++) {
    const text = plain(lines.at(line - before) ?? "");
    // Whoever has marked a cut line to its end means all of it.
    const end = line === to.line && to.offset < LONGEST ? to.offset : text.length;
    all.push(text.slice(line === from.line ? from.offset : 0, end));
  }
  return all.join("\n");
}

/** Whether somebody reads the end of what scrolls, as near as a browser's rounding lets him. */
export function isAtEnd({ scrollTop, clientHeight, scrollHeight }: Pick<Element, "scrollTop" | "clientHeight" | "scrollHeight">): boolean {
  return scrollHeight - clientHeight - scrollTop < 8;
}
