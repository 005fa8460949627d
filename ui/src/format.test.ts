import { expect, test } from "vitest";

import { ago, day, elapsed, exact, iso, localeOf, money, moneyChange, regional, since, size } from "./format";

// The tests run in UTC.
const at = (text: string) => Date.parse(`${text}Z`) / 1000;

test("money is written as the user's locale writes it", () => {
  expect(money(14270, "en-US")).toBe("$142.70");
  expect(money(0, "en-US")).toBe("$0.00");
  expect(money(14270, "de-DE")).toBe("142,70\u00a0$");
  expect(money(1_234_567, "en-CA")).toBe("$12,345.67");
});

test("a change of money has its sign, and no change has none", () => {
  expect(moneyChange(13105, "en-US")).toBe("+$131.05");
  expect(moneyChange(-800, "en-US")).toBe("-$8.00");
  expect(moneyChange(0, "en-US")).toBe("$0.00");
});

test("a name that is no locale stands for the words' own", () => {
  expect(localeOf("de-AT")).toBe("de-AT");
  for (const none of ["C", "C.UTF-8", "", undefined]) expect(localeOf(none)).toBe("en");
});

test("dates are in the language of the words and in the order of the user's region", () => {
  expect(regional("de-AT")).toBe("en-AT");
  expect(regional("de")).toBe("en-DE");
  expect(day("2026-07-20", "en-DE")).toBe("20 July 2026");
  expect(day("2026-07-20", "en-US")).toBe("July 20, 2026");
  expect(day("soon", "en-US")).toBe("soon");
});

test("since is as near as it needs to be", () => {
  const now = at("2026-11-24T14:00:00");
  const cases = {
    "2026-11-24T09:12:30": "09:12",
    "2026-11-23T23:59:59": "yesterday 23:59",
    "2026-11-18T00:00:00": "Wednesday 00:00",
    "2026-11-17T23:59:59": "17 November 23:59",
    "2025-12-31T09:12:00": "31 December 2025 09:12",
  };
  for (const [moment, said] of Object.entries(cases)) expect(since(at(moment), now, "en-GB")).toBe(said);
});

test("a clock that is ahead is no riddle", () => {
  expect(since(at("2026-11-24T09:12:00"), at("2026-11-24T09:11:00"), "en-GB")).toBe("09:12");
  expect(ago(100, 90)).toBe("just now");
  expect(elapsed(100, 90)).toBe("0 s");
});

test("how long ago goes in steps", () => {
  const cases = [
    [0, "just now"],
    [19, "just now"],
    [20, "20 s ago"],
    [59, "50 s ago"],
    [60, "1 min ago"],
    [3599, "59 min ago"],
    [3600, "1 h ago"],
    [86_399, "23 h ago"],
    [86_400, "1 day ago"],
    [200_000, "2 days ago"],
  ] as const;
  for (const [seconds, said] of cases) expect(ago(1000, 1000 + seconds)).toBe(said);
});

test("how long something has gone on is told to the second, then to the minute", () => {
  expect(elapsed(0, 59)).toBe("59 s");
  expect(elapsed(0, 200)).toBe("3 min 20 s");
  expect(elapsed(0, 3900)).toBe("1 h 5 min");
});

test("a moment in full", () => {
  const moment = at("2026-11-24T09:12:05");
  for (const part of ["Tuesday", "24 November 2026", "09:12:05", "UTC"]) expect(exact(moment, "en-GB")).toContain(part);
  expect(iso(moment)).toBe("2026-11-24T09:12:05.000Z");
});

test("a size is in the unit of disks", () => {
  expect(size(3277, "en-US")).toBe("3.2 GiB");
  expect(size(10, "en-US")).toBe("0.0 GiB");
  expect(size(2_097_152, "de-DE")).toBe("2.048,0 GiB");
});
