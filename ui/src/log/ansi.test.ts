import { expect, test } from "vitest";

import { plain, spans } from "./ansi";

const shown = (line: string) => spans(line).map(({ text, look }) => (look === "" ? text : `<${look}>${text}`));

test.each<[string, string, string[]]>([
  ["nothing", "", []],
  ["no sequence", "  building 'x'", ["  building 'x'"]],
  ["bold red, taken back", "\x1b[1;31merror:\x1b[0m no", ["<bold red>error:", " no"]],
  ["an empty parameter takes back", "\x1b[1ma\x1b[mb", ["<bold>a", "b"]],
  ["each taken back alone", "\x1b[1;3;4;32ma\x1b[22mb\x1b[23mc\x1b[24md\x1b[39me", ["<bold italic under green>a", "<italic under green>b", "<under green>c", "<green>d", "e"]],
  ["bright", "\x1b[94ma\x1b[90mb", ["<blue>a", "<faint>b"]],
  ["black and white are as text is", "\x1b[30ma\x1b[97mb", ["a", "b"]],
  ["faint", "\x1b[2ma\x1b[22mb", ["<faint>a", "b"]],
  ["a ground", "\x1b[41;97ma\x1b[49mb", ["<on-red>a", "b"]],
  ["a bright ground", "\x1b[102ma", ["<on-green>a"]],
  ["inverse", "\x1b[7ma\x1b[36mb\x1b[27mc", ["<on-faint>a", "<on-cyan>b", "<cyan>c"]],
  ["256: of old, cube, grey", "\x1b[38;5;9ma\x1b[38;5;27mb\x1b[38;5;244mc\x1b[38;5;255md", ["<red>a", "<blue>b", "<faint>c", "d"]],
  ["256 as a ground, and then bold", "\x1b[48;5;22;1ma", ["<bold on-green>a"]],
  ["true colour", "\x1b[38;2;160;40;220ma\x1b[38;2;250;160;20mb\x1b[38;2;90;90;95mc", ["<magenta>a", "<yellow>b", "<faint>c"]],
  ["true colour in one parameter", "\x1b[38:2::10:200:190ma\x1b[38:2:10:20:250mb\x1b[38:5:1mc", ["<cyan>a", "<blue>b", "<red>c"]],
  ["a wavy line, and none", "\x1b[4:3ma\x1b[4:0mb", ["<under>a", "b"]],
  ["a colour that is cut off", "\x1b[38ma\x1b[38;5mb\x1b[38;2;1mc\x1b[38;9;1md", ["a", "b", "c", "<bold>d"]],
  ["numbers that are none", "\x1b[999;31ma\x1b[38;5;999mb", ["<red>a", "b"]],
  ["sequences of others' own", "\x1b[>4;2ma\x1b[?25hb\x1b[1 mc", ["a", "b", "c"]],
])("%s", (_, line, expected) => {
  expect(shown(line)).toEqual(expected);
});

test.each<[string, string, string]>([
  ["the cursor and the screen", "a\x1b[2J\x1b[10;10Hb\x1b[Kc", "abc"],
  ["a title", "a\x1b]0;owned\x07b\x1b]8;;https://x\x1b\\c", "abc"],
  ["strings for the terminal", "a\x1bP1$r\x1b\\b\x1b_x\x07c", "abc"],
  ["a character set", "a\x1b(Bb\x1b7c", "abc"],
  ["a sequence without its end", "a\x1b[31", "a␛[31"],
  ["a string without its end hides nothing", "a\x1b]0;b", "a␛]0;b"],
  ["control characters", "a\x07\x08\x00\x7fb\x9bc", "a␇␈␀␡b�c"],
  ["what turns the direction", "a\u202egnp\u2066\u200f", "a�gnp��"],
  ["what ends a line", "a\u2028b\rc\nd\r", "a�b␍c␊d"],
  ["a tab", "a\tb", "a\tb"],
  ["letters of all kinds", "é שלום 漢字 👩‍💻", "é שלום 漢字 👩‍💻"],
])("%s", (_, line, expected) => {
  expect(plain(line)).toBe(expected);
  expect(spans(line).map(({ text }) => text).join("")).toBe(expected);
});

test("what a long hostile line takes grows with its length only", () => {
  const began = performance.now();
  for (const part of ["\x1b]", "\x1b[", "\x1b[1;", "\x1bP\x1b", "\x1b[38;5;", "\x1b(("]) plain(part.repeat(30_000));
  expect(performance.now() - began).toBeLessThan(1000);
});
