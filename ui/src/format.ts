// Money and moments as the user reads them. Pure, but for the user's locale and time zone.

import { language, words } from "./words";

/** The locale that the web view names; the words' own where it names none that there is (WebKitGTK says "C"). */
export function localeOf(named: string | undefined): string {
  try {
    return new Intl.Locale(named ?? language).toString();
  } catch {
    return language;
  }
}

/** The language of the words with the conventions of the locale's region, so that a date fits into its sentence. */
export function regional(locale: string): string {
  const region = new Intl.Locale(locale).maximize().region;
  return region ? `${language}-${region}` : language;
}

const user = localeOf(globalThis.navigator?.language);
const locale = regional(user);

/** An amount of US cents. */
export function money(cents: number, at = user): string {
  return dollars(at, "auto").format(cents / 100);
}

/** By how many US cents something changes, with its sign. */
export function moneyChange(cents: number, at = user): string {
  return dollars(at, "exceptZero").format(cents / 100);
}

function dollars(at: string, signDisplay: "auto" | "exceptZero"): Intl.NumberFormat {
  const currency = { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol" } as const;
  return new Intl.NumberFormat(at, { ...currency, signDisplay });
}

/** Made once: a count may be shown many times a second. */
const wholes = new Intl.NumberFormat(locale);

/** A whole number. */
export function whole(number: number): string {
  return wholes.format(number);
}

/** A size in MiB. */
export function size(mib: number, at = locale): string {
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return words.gib((mib / 1024).toLocaleString(at, digits));
}

/** A moment that something has lasted since, as near as the reader needs it. Moments are seconds since the epoch. */
export function since(moment: number, now: number, at = locale): string {
  const [then, today] = [new Date(moment * 1000), new Date(now * 1000)];
  const time = then.toLocaleTimeString(at, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const days = Math.round((midnight(today) - midnight(then)) / 86_400_000);
  if (days === 0) return time;
  if (days === 1) return words.yesterday(time);
  if (days > 1 && days < 7) return `${then.toLocaleDateString(at, { weekday: "long" })} ${time}`;
  const sameYear = then.getFullYear() === today.getFullYear();
  const date: Intl.DateTimeFormatOptions = { day: "numeric", month: "long" };
  return `${then.toLocaleDateString(at, sameYear ? date : { ...date, year: "numeric" })} ${time}`;
}

function midnight(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/** How long ago, in steps that do not flicker: what is looked at every ten seconds stays "just now". */
export function ago(moment: number, now: number): string {
  const s = now - moment;
  if (s < 20) return words.justNow;
  if (s < 60) return words.ago(words.seconds(s - (s % 10)));
  if (s < 3600) return words.ago(words.minutes(Math.floor(s / 60)));
  if (s < 86_400) return words.ago(words.hours(Math.floor(s / 3600)));
  return words.ago(words.days(Math.floor(s / 86_400)));
}

/** How long something has gone on, to the second. */
export function elapsed(moment: number, now: number): string {
  const s = Math.max(0, now - moment);
  if (s < 60) return words.seconds(s);
  if (s < 3600) return `${words.minutes(Math.floor(s / 60))} ${words.seconds(s % 60)}`;
  return `${words.hours(Math.floor(s / 3600))} ${words.minutes(Math.floor((s % 3600) / 60))}`;
}

/** A moment in full. */
export function exact(moment: number, at = locale): string {
  return new Date(moment * 1000).toLocaleString(at, { dateStyle: "full", timeStyle: "long" });
}

/** A moment for machines. */
export function iso(moment: number): string {
  return new Date(moment * 1000).toISOString();
}

/** A date like 2026-07-20; anything else as it is. */
export function day(date: string, at = locale): string {
  const [, year, month, dayOfMonth] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(date) ?? [];
  if (!year || !month || !dayOfMonth) return date;
  return new Date(+year, +month - 1, +dayOfMonth).toLocaleDateString(at, { dateStyle: "long" });
}
