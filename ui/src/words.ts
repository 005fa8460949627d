// What the pages themselves say, in one place, to be translated. What is said about the machine comes from Rust.

import type { Area, Change, Key } from "./bindings";

/** The language of this file. The user's region still decides how numbers and dates are written. */
export const language = "en";

/** Text with its full stop. */
export function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

export const words = {
  app: "Holdfast",
  sandbox: "Sandbox: this is not AWS. Nothing costs money.",
  noTray: "This desktop has no tray: Holdfast ends with this window. Your machine does not.",
  pages: "Pages",
  machine: "Machine",
  settings: "Settings",
  atWork: "at work",
  needsYou: "needs you",
  silent: "Holdfast does not answer",

  since: "since",
  checked: "checked",
  wayInChecked: "way in checked",
  asOf: "As it was seen",
  notes: "Good to know",
  stopYes: (name: string) => `Stop ${name}`,
  stopNo: "Leave it on",

  sessions: "Sessions",
  lookingAtSessions: "Looking at the machine…",
  asOfNow: "as of",
  refresh: "Refresh",
  sessionName: "Name",
  sessionState: "State",
  panes: "Panes",
  live: "live",
  liveMade: "live, made",
  ended: "ended",
  notLooked: "Nobody has looked yet.",
  noSessions: "No sessions. Connect makes one.",
  sessionCount: (count: number) => (count === 1 ? "1 session." : `${count || "No"} sessions.`),
  endYes: (label: string, name: string) => `${label} ${name}`,
  endNo: "Leave it",
  newSession: "New session",

  system: "System",
  rebuild: "Rebuild",
  askedBy: (who: string) => `asked for by ${who}`,

  type: "Type",
  volume: "Volume",
  gib: (size: number) => `${size} GiB`,
  zone: "Zone",
  instance: "Instance",
  costNow: "Costs now",
  costAlways: "If always on",
  unknown: "not known",
  none: "none",
  aMonth: (amount: string) => `${amount} a month`,
  costParts: { instance: "instance", volume: "volume", address: "public address" },
  alwaysOn: (parts: string) => `Always on: ${parts}.`,
  thatIs: (parts: string) => `That is ${parts}.`,
  pricesOf: "AWS prices of",
  without: "without tax and traffic",

  waiting: (what: string) => `Waiting for ${what}`,
  steps: (done: number, of: number) => `${done} of ${of} steps`,
  preparing: "Looking at what there is",
  didNotWork: (title: string) => `${title} did not work`,
  hints: "What helps",
  begun: "It began",
  dismiss: "Dismiss",

  firstRun:
    "Holdfast makes one NixOS machine in your AWS account, in a private network that nothing can enter. " +
    "You see every step and its cost before anything is made.",
  fields: {
    profile: "AWS profile",
    region: "Region",
    instance_type: "Instance type",
    volume_size: "Volume, GiB",
    user: "User",
  } satisfies Record<Key, string>,
  changed: {
    profile: "AWS profile",
    region: "region",
    instance_type: "instance type",
    volume_size: "volume in GiB",
    user: "user",
  } satisfies Record<Key, string>,
  becomes: "becomes",
  default: "default",
  defaultProfile: "the usual chain",
  file: "Settings file",
  plan: "Show the plan",

  preview: "What this does",
  looking: "Looking at AWS…",
  errors: (count: number) => (count === 1 ? "One value does not hold." : `${count} values do not hold.`),
  noPlan: "There is no plan",
  nothing: "Nothing to do: the machine is as these settings say.",
  onlySettings: "Only the settings change; nothing in AWS does.",
  count: (steps: number) => (steps === 1 ? "1 step" : `${steps} steps`),
  areas: { network: "Network", identity: "Identity", machine: "Machine" } satisfies Record<Area, string>,
  marks: {
    add: { mark: "+", means: "Add:" },
    alter: { mark: "~", means: "Change:" },
    remove: { mark: "-", means: "Remove:" },
  } satisfies Record<Change, { mark: string; means: string }>,
  interrupts: "ends what runs on it",
  losesData: "data is lost",
  applyInterrupts: (label: string) => `${label}, and end what runs`,
  applyLoses: (label: string) => `${label}, and lose the data`,
  applyNo: "Leave it as it is",
  cancel: "Cancel",
  ready: (steps: number) => `The plan is ready: ${words.count(steps)}.`,

  seconds: (s: number) => `${s} s`,
  minutes: (min: number) => `${min} min`,
  hours: (h: number) => `${h} h`,
  days: (days: number) => (days === 1 ? "1 day" : `${days} days`),
  ago: (span: string) => `${span} ago`,
  justNow: "just now",
  yesterday: (time: string) => `yesterday ${time}`,
};
