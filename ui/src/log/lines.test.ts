import { expect, test } from "vitest";

import { between, columns, Finder, isAtEnd, LONGEST, pieces, step } from "./lines";

const always = () => true;

test("what is sought is set apart across colours, and stands in them", () => {
  const line = "\x1b[31mError\x1b[0m: an error";
  expect(pieces(line, "").map(({ text }) => text)).toEqual(["Error", ": an error"]);
  expect(pieces(line, "ERROR")).toEqual([
    { text: "Error", look: "red", hit: true },
    { text: ": an ", look: "", hit: false },
    { text: "error", look: "", hit: true },
  ]);
  expect(pieces(line, "or:").filter(({ hit }) => hit).map(({ text }) => text)).toEqual(["or", ":"]);
  expect(pieces("İİ x", "x").some(({ hit }) => hit)).toBe(false);
});

test("a line without end is cut, its columns too", () => {
  const line = "W".repeat(1_000_000);
  expect(pieces(line, "W").reduce((sum, { text }) => sum + text.length, 0)).toBe(LONGEST);
  expect(columns(line)).toBe(LONGEST);
  expect(columns("\x1b[1mab\x1b[0m\tc漢")).toBe(13);
});

test("a log is looked through in parts, and goes on when it has grown", () => {
  const lines: string[] = Array.from({ length: 1000 }, (_, i) => (i % 100 === 7 ? "an \x1b[31merr\x1b[0mor" : "well"));
  const finder = new Finder("Error");
  let parts = 2;
  expect(finder.advance(lines, 0, () => parts-- > 0)).toBe(false);
  expect(finder.matches).toEqual([7, 107, 207, 307]);
  expect(finder.advance(lines, 0, always)).toBe(true);
  expect(finder.matches).toHaveLength(10);
  lines.push("error");
  expect(finder.advance(lines, 0, always)).toBe(true);
  expect(finder.matches.at(-1)).toBe(1000);
});

test("a match goes with its line when that is no longer kept", () => {
  const finder = new Finder("a");
  finder.advance(["a", "b", "a"], 0, always);
  finder.advance(["a", "c", "a"], 2, always);
  expect(finder.matches).toEqual([2, 4]);
  finder.advance(["c"], 9, always);
  expect(finder.matches).toEqual([]);
});

test("one goes from match to match and round", () => {
  expect([step([3, 7], 3, 1), step([3, 7], 7, 1), step([3, 7], 3, -1), step([3, 7], 5, -1), step([], 0, 1)]).toEqual([7, 3, 7, 3, null]);
});

test("the text between two places is that of the lines, whichever comes first", () => {
  const lines = ["\x1b[1mfirst\x1b[0m", "second", "third"];
  const [a, b] = [{ line: 10, offset: 2 }, { line: 12, offset: 2 }];
  expect(between(lines, 10, a, b)).toBe("rst\nsecond\nth");
  expect(between(lines, 10, b, a)).toBe("rst\nsecond\nth");
  expect(between(lines, 10, a, { line: 10, offset: 4 })).toBe("rs");
  const long = "W".repeat(LONGEST + 5);
  expect(between([long], 0, { line: 0, offset: 0 }, { line: 0, offset: LONGEST })).toBe(long);
});

test("a reader is at the end of a log also where the browser rounds", () => {
  const box = (scrollTop: number) => isAtEnd({ scrollTop, clientHeight: 200, scrollHeight: 1000 });
  expect([box(800), box(799.4), box(790), box(0)]).toEqual([true, true, false, false]);
});
