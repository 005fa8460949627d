import { expect, test } from "vitest";

import type { LogChunk } from "../bindings";
import { follow, type Kept } from "./stream";

/** A log that somebody follows, step by step. */
function followed() {
  const asked: number[] = [];
  const shown: [number, string[]][] = [];
  const errors: unknown[] = [];
  let answer: (chunk: LogChunk | Error) => void = () => {};
  let paint = () => {};
  const turn = () => new Promise((resolve) => setTimeout(resolve));
  const end = follow(
    (from) => {
      asked.push(from);
      return new Promise((resolve, reject) => (answer = (chunk) => (chunk instanceof Error ? reject(chunk) : resolve(chunk))));
    },
    () => new Promise<void>((resolve) => (paint = resolve)),
    ({ lines, before }: Kept) => shown.push([before, Array.from({ length: lines.length }, (_, i) => lines.at(i) ?? "")]),
    (error) => errors.push(error),
  );
  const says = async (first: number, ...lines: string[]) => {
    answer({ first, lines });
    await turn();
  };
  const fails = async () => {
    answer(new Error("gone"));
    await turn();
  };
  const paints = async () => {
    paint();
    await turn();
  };
  return { asked, shown, errors, says, fails, paints, end };
}

test("what was painted is followed by what comes next", async () => {
  const log = followed();
  expect(log.asked).toEqual([0]);
  await log.says(0, "a", "b");
  expect([log.shown.at(-1), log.asked]).toEqual([[0, ["a", "b"]], [0]]);
  await log.paints();
  expect(log.asked).toEqual([0, 2]);
  await log.says(0, "c");
  expect(log.shown.at(-1)).toEqual([0, ["a", "b", "c"]]);
});

test("what is kept no longer goes here, too", async () => {
  const log = followed();
  await log.says(10, "k", "l", "m");
  await log.paints();
  expect(log.asked.at(-1)).toBe(13);
  await log.says(11, "n");
  expect(log.shown.at(-1)).toEqual([11, ["l", "m", "n"]]);
  await log.paints();
  // It was quicker than the window: what lies between is lost.
  await log.says(20, "u", "v");
  expect(log.shown.at(-1)).toEqual([20, ["u", "v"]]);
  await log.paints();
  expect(log.asked.at(-1)).toBe(22);
});

test("a log that nobody sees any more is not asked for, and a failure is told", async () => {
  const left = followed();
  left.end();
  await left.says(0, "a");
  expect([left.shown, left.asked]).toEqual([[], [0]]);
  const painted = followed();
  await painted.says(0, "a");
  painted.end();
  await painted.paints();
  expect(painted.asked).toEqual([0]);
  const ended = followed();
  ended.end();
  await ended.fails();
  expect(ended.errors).toEqual([]);
  const broken = followed();
  await broken.fails();
  expect([broken.errors, broken.asked]).toEqual([[new Error("gone")], [0]]);
});
