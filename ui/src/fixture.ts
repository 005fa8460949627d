// Views for the tests.

import type {
  Commands,
  Decision,
  Doctor,
  Field,
  Generation,
  History,
  Job,
  Key,
  Machine,
  Offer,
  Portal,
  Preview,
  Profile,
  Profiles,
  Replacement,
  Run,
  Session,
  Sessions,
  SetUp,
  SignIn,
  Snapshot,
  Snapshots,
  StepView,
  System,
  Topic,
  TypeChoice,
  Types,
  View,
} from "./bindings";

export const NOW = 1_795_000_000;

export const nothing: Commands = { connect: null, start: null, stop: null, restart: null, cancel: null, look: null, apply: null, replace: null };

export function offer(label: string, rest: Partial<Offer> = {}): Offer {
  return { label, note: null, asks: null, ...rest };
}

export function fields(fixed: string | null = null): Field[] {
  const values: [Key, Topic, string][] = [
    ["profile", "machine", ""],
    ["region", "machine", "us-west-2"],
    ["instance_type", "machine", "m8g.xlarge"],
    ["volume_size", "machine", "100"],
    ["user", "machine", "dev"],
    ["config", "configuration", "embedded"],
    ["config_git", "configuration", ""],
    ["config_directory", "configuration", ""],
    ["zone", "hardware", ""],
    ["snapshot_every", "snapshots", ""],
    ["snapshot_keep", "snapshots", "7"],
  ];
  return values.map(([key, topic, value]) => ({
    key,
    topic,
    value,
    default: true,
    fixed: key === "profile" ? null : fixed,
  }));
}

export function view(rest: Partial<View> = {}, machine: Partial<Machine> = {}): View {
  return {
    sandbox: false,
    tray: true,
    machine: {
      name: "remote-dev",
      user: "dev",
      region: "us-west-2",
      state: "on",
      headline: "remote-dev is on",
      detail: null,
      since: NOW - 7000,
      reachable: true,
      seen: NOW,
      instance: { id: "i-0123456789abcdef0", instance_type: "m8g.xlarge", zone: "us-west-2a", volume_size: 100 },
      cost: { now: 14270, always: 14270, instance: 13105, volume: 800, address: 365, prices_of: "2026-07-20" },
      so_far: { least: 9710, most: 9710, from: NOW - 2_000_000, until: NOW, notes: [] },
      notes: [],
      problem: null,
      ...machine,
    },
    machines: [machineChoice("remote-dev", true)],
    commands: nothing,
    sessions: null,
    system: null,
    replacement: null,
    snapshots: null,
    operation: null,
    failed: null,
    interrupted: null,
    settings: {
      path: "/settings.toml",
      fields: fields(),
      problem: null,
      can_be_set_aside: false,
      aside: null,
      profiles: ["work"],
      regions: ["us-west-2"],
      autostart: null,
      notices: [],
      terminals: ["default", "foot", "kitty"],
      growth: { least: 100, most: 65536, per_gib: 8000, notes: ["AWS lets a volume grow, never shrink."] },
    },
    preview: null,
    sign_in: null,
    portal: portal(),
    profiles: profiles([], { seen: null }),
    doctor: doctor(),
    history: null,
    types: null,
    set_up: null,
    update: null,
    ...rest,
  };
}

/** What is about this computer. */
export function ofApp(): Pick<View["settings"], "notices" | "autostart"> & { fields: Field[] } {
  const app: [Key, string][] = [
    ["terminal", "default"],
    ["mute", "state"],
    ["updates", "true"],
  ];
  const kinds = ["rebuild", "state", "operation", "sign_in", "disk", "update"] as const;
  return {
    notices: kinds.map((kind) => ({ kind, on: kind !== "state" })),
    autostart: { on: false, problem: null },
    fields: app.map(([key, value]) => ({ key, topic: "app", value, default: key !== "mute", fixed: null })),
  };
}

/** The first run, with so many decisions taken. */
export function setUp(done: number, errors: SetUp["errors"] = []): SetUp {
  const says: [Decision, string][] = [
    ["account", "team/Admin"],
    ["region", "us-west-2"],
    ["size", "m8g.xlarge, 100 GiB"],
    ["user", "dev"],
    ["configuration", "what ships with Holdfast"],
    ["plan", ""],
  ];
  return { steps: says.map(([step, says], i) => ({ step, says, done: i < done })), errors };
}

export function types(list: TypeChoice[], rest: Partial<Types> = {}): Types {
  return { looking: false, problem: null, seen: NOW, list, look: offer("Refresh"), ...rest };
}

export function type(name: string, rest: Partial<TypeChoice> = {}): TypeChoice {
  const what = { architecture: "arm64", vcpus: 4, memory: 16384, network: "Up to 15 Gigabit" };
  return { name, ...what, monthly: 13105, difference: 0, current: false, hindrance: null, ...rest };
}

export function machineChoice(name: string, shown = false): View["machines"][number] {
  return { name, region: "us-west-2", shown, default: shown, hindrance: null, seen: "Its state is not known", connect: null, start: null, stop: null };
}

export function signIn(rest: Partial<SignIn> = {}): SignIn {
  const why = { code: "no_credentials", what: "There are no valid AWS credentials", cause: null, hints: [] };
  const begin = offer("Sign in", { note: "your browser opens https://example.awsapps.com/start" });
  const offers = { begin, code: offer("Use a code instead"), cancel: null };
  return { why, profile: "team/Admin", device: null, waits: null, stage: null, problem: null, ...offers, ...rest };
}

export function portal(rest: Partial<Portal> = {}): Portal {
  const offers = { begin: offer("Sign in"), code: offer("Use a code instead"), back: null, cancel: null, write: null };
  return { ...offers, stage: null, problem: null, added: null, ...rest };
}

export function profiles(list: Profile[], rest: Partial<Profiles> = {}): Profiles {
  const check = offer("Check them", { note: "asks AWS who each one is; programs that print credentials run for it" });
  return { looking: false, checking: false, problem: null, seen: NOW, list, check: list.length > 0 ? check : null, ...rest };
}

export function profile(name: string, rest: Partial<Profile> = {}): Profile {
  const whose = { usable: true, kind: "SSO", account: "111122223333", role: "AdministratorAccess", region: "us-west-2" };
  return { name, ...whose, state: "valid", until: NOW + 7 * 3600, note: null, ...rest };
}

export function doctor(rest: Partial<Doctor> = {}): Doctor {
  const counts = { failed: 0, warnings: 0, well: 0 };
  return { looking: false, seen: null, headline: null, ...counts, pressing: [], areas: [], look: offer("Examine"), ...rest };
}

export function run(title: string, rest: Partial<Run> = {}): Run {
  const at = NOW - 3600;
  const deeds = [{ at, what: `${title} i-0123456789abcdef0`, result: "done", why: null }] satisfies Run["deeds"];
  const who = "123456789012/assumed-role/Dev/ada";
  const whose = { command: title.toLowerCase(), machine: "dev/remote-dev/us-west-2", who };
  return { at, until: at, title, ...whose, result: "done", log: null, deeds, ...rest };
}

export function history(runs: Run[], before = 0): History {
  return { runs, before, log: null };
}

export function sessions(list: Session[], rest: Partial<Sessions> = {}): Sessions {
  const offers = { look: offer("Refresh"), open: offer("Open") };
  return { looking: false, problem: null, seen: NOW, age: "less than 5 min ago", list, ...offers, ...rest };
}

export function system(rest: Partial<System> = {}): System {
  const offers = { look: offer("Refresh"), rebuild: offer("Rebuild") };
  const runs = "Runs generation 7, embedded 1a2b3c4d5e6f";
  const none = { problem: null, off: null, disk: null, note: null, standing: null, generations: [], job: null, last: null, log: null };
  return { looking: false, seen: NOW, runs, ...none, ...offers, ...rest };
}

export function job(rest: Partial<Job> = {}): Job {
  const title = "Rebuilding remote-dev";
  return { title, step: "fetching 3 of 17", since: NOW - 60, by: null, cancel: offer("Cancel"), problem: null, ...rest };
}

/** The last generation of so many runs; to all others one can go back. */
export function generations(count: number): Generation[] {
  return Array.from({ length: count }, (_, i) => generation(count - i, i === 0 ? { flags: ["current", "good"], go: null } : {}));
}

export function generation(number: number, rest: Partial<Generation> = {}): Generation {
  const asks = `remote-dev switches to generation ${number} now.`;
  return {
    number,
    made: NOW - 86_400 * (30 - number),
    revision: `embedded ${String(number).padStart(2, "0")}2b3c4d5e6f`,
    kernel: "6.12.58",
    size: 3277,
    flags: ["good"],
    go: offer("Go back", { asks }),
    ...rest,
  };
}

export function session(name: string, rest: Partial<Session> = {}): Session {
  const offers = { connect: offer("Connect"), end: offer("End", { asks: "Everything that runs in it ends." }) };
  return { shown: name, name, live: true, since: NOW - 7200, panes: 2, note: null, ...offers, ...rest };
}

/** What stands in the form. */
export const typed = { profile: "", region: "us-west-2", instance_type: "m8g.xlarge", volume_size: "100", user: "dev" };

export function snapshots(list: Snapshot[], rest: Partial<Snapshots> = {}): Snapshots {
  const offers = { take: offer("Take a snapshot", { note: "it costs what has changed" }), look: offer("Refresh") };
  const cost = list.length > 0 ? { least: 0, most: 1000, basis: "$0.0500 a GiB." } : null;
  return { looking: false, problem: null, seen: NOW, list, cost, schedule: null, note: null, ...offers, ...rest };
}

export function snapshot(id: string, rest: Partial<Snapshot> = {}): Snapshot {
  const offers = { restore: offer("Restore"), delete: offer("Delete") };
  return { id, taken: NOW - 7200, size: 100, why: "by hand", state: null, failed: false, ...offers, ...rest };
}

export function replacement(rest: Partial<Replacement> = {}): Replacement {
  const offers = { go_on: null, take_back: null, let_go: offer("Let it go"), go_back: offer("Go back") };
  return { under_way: false, title: "The old instance is kept", text: "i-1 was replaced.", monthly: 800, ...offers, ...rest };
}

export function preview(rest: Partial<Preview> = {}): Preview {
  return {
    number: 1,
    of: { is: "settings", draft: typed },
    looking: false,
    errors: [],
    problem: null,
    changes: [],
    groups: [],
    notes: [],
    cost: null,
    refused: null,
    ...rest,
  };
}

export function step(rest: Partial<StepView> = {}): StepView {
  const harmless = { monthly: null, interrupts: false, loses_data: false };
  return { change: "add", what: "Internet gateway", why: "the way out", ...harmless, ...rest };
}
