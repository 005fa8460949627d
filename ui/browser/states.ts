// What the pages are looked at in.

import type { Commands, Doctor, Generation, History, LogChunk, Operation, Problem, Progress, Run, StepView, View } from "../src/bindings";
import {
  doctor,
  fields,
  generation,
  history as historyOf,
  job,
  machineChoice,
  nothing,
  NOW,
  ofApp,
  offer,
  portal,
  preview,
  profile,
  profiles,
  replacement,
  run,
  session,
  sessions,
  setUp,
  signIn,
  snapshot,
  snapshots,
  step,
  system,
  type,
  types,
  typed,
  view,
} from "../src/fixture";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const stops = "Everything that runs on remote-dev ends, also what nobody has saved. Its volume stays, with all that is on it.";
const restarts = "Everything that runs on remote-dev ends: session main. It comes up again by itself.";
const connect = offer("Connect");
const replace = offer("Replace", { note: "another instance in its place, with the same home" });
const running: Commands = { ...nothing, connect, stop: offer("Stop", { asks: stops }), restart: offer("Restart", { asks: restarts }), replace };
const starts = offer("Start", { note: "about a minute, then $131.05 a month more while it is on" });
const halted: Commands = {
  ...nothing,
  connect: offer("Connect", { note: "starts remote-dev first" }),
  start: starts,
  replace,
};

const work = sessions([
  session("main", { panes: 3 }),
  session("api-refactor", { panes: 2, since: NOW - 41 * MINUTE }),
  session("shell", { panes: 1, since: NOW - 2 * DAY }),
  session("before", {
    live: false,
    panes: null,
    since: NOW - 26 * DAY,
    connect: offer("Open again"),
    end: offer("Forget", { asks: "before is forgotten, and cannot be opened again." }),
  }),
  session("a name of zellij's own", {
    name: null,
    panes: null,
    connect: null,
    end: null,
    note: "Holdfast opens no session of that name",
  }),
]);

function generationsOf(count: number): Generation[] {
  const one = (number: number) => {
    const made = NOW - 2 * DAY - (count - number) * 3 * DAY;
    const stock = number === count - 1;
    const revision = stock ? "NixOS 26.05.20260301.stock" : `git ${(number * 0x9e3779b1).toString(16).slice(0, 12)}`;
    const kernel = number > 8 ? "6.12.58" : "6.12.41";
    const size = 3277 + number * 37;
    const current = number === count;
    return generation(number, {
      made,
      revision,
      kernel,
      size,
      flags: current ? ["current", "booted", "good"] : number === count - 2 ? ["refused"] : ["good"],
      ...(current ? { go: null } : {}),
    });
  };
  return Array.from({ length: count }, (_, i) => one(count - i));
}

const good = system({
  seen: NOW - 8,
  runs: "Runs generation 14, git 8a708a7ae",
  disk: { used: 37 * 1024, size: 98 * 1024, scarce: false },
  standing: { standing: "up_to_date", text: "That is what is declared for it", rebuild_next: false },
  generations: generationsOf(14),
  last: { text: "remote-dev runs generation 14", at: NOW - 2 * DAY, problem: null },
  log: { number: 1 },
});

const kept = snapshots(
  [
    snapshot("snap-0a91c3d47f21b6e05", { taken: NOW - 3 * HOUR, why: "by the clock", state: "being copied, 41 %" }),
    snapshot("snap-0b42e8f1937acd610", { taken: NOW - 9 * HOUR, why: "by the clock" }),
    snapshot("snap-0c7d15a2be8893f47", { taken: NOW - 4 * DAY, why: "before the type was changed to m8g.xlarge" }),
    snapshot("snap-0d03f6b8a1c2e4597", { taken: null, why: "not known", state: "failed", failed: true, restore: null }),
  ],
  {
    seen: NOW - 40,
    schedule: "A snapshot every 6 hours; the newest 7 stay.",
    cost: { least: 210, most: 1540, basis: "$0.0500 a GiB and month, of what differs from the one before." },
  },
);

const seen: Doctor = doctor({
  seen: NOW - 40,
  headline: "Everything works. 1 thing is worth a look.",
  warnings: 1,
  well: 13,
  look: offer("Examine again"),
  pressing: [
    { area: "machine", mark: "warning", what: "disk: 7.9 GiB of 98.3 GiB free", todo: "make room, or make it larger: holdfast resize --volume" },
  ],
  areas: [
    { area: "settings", findings: ["remote-dev of dev in us-west-2"] },
    {
      area: "credentials",
      findings: ["123456789012/assumed-role/AdministratorAccess/ada, for 7 hours, and renewed by themselves"],
    },
    { area: "network", findings: ["ec2, iam, ssm, sts and servicequotas answer within 84 ms"] },
    { area: "permissions", findings: ["all 31 calls that Holdfast makes are allowed"] },
    { area: "capacity", findings: ["us-west-2a offers m8g.xlarge"] },
    {
      area: "machine",
      findings: [
        "remote-dev is on, as i-0123456789abcdef0",
        "its agent answers SSM",
        "a session on it opens",
        "it runs the configuration that is declared",
      ],
    },
    {
      area: "desktop",
      findings: [
        "the desktop shows tray icons",
        "the keyring can be used",
        "terminals open in ghostty",
      ],
    },
    { area: "versions", findings: ["holdfast 0.1.0 on linux x86_64"] },
  ],
});

const sick: Doctor = doctor({
  seen: NOW - 9,
  headline: "2 things do not work.",
  failed: 2,
  warnings: 2,
  well: 2,
  look: offer("Examine again"),
  pressing: [
    { area: "network", mark: "failed", what: "ssm cannot be reached: the certificate is not one that this computer trusts", todo: "name your company's authorities: AWS_CA_BUNDLE=/path" },
    { area: "permissions", mark: "failed", what: "denied: ec2:ModifyVolume, ec2:CreateCapacityReservation", todo: "have your AWS identity allowed what this prints: holdfast policy" },
    { area: "network", mark: "warning", what: "this computer's clock is 92 seconds behind AWS's", todo: "set this computer's clock, best by the network" },
    { area: "desktop", mark: "warning", what: "nothing here shows tray icons", todo: "on GNOME, install the extension AppIndicator; the window and the commands do without" },
  ],
  areas: [
    { area: "settings", findings: ["remote-dev of dev in us-west-2"] },
    {
      area: "desktop",
      findings: [
        "terminals open in xterm",
      ],
    },
  ],
});

const MADE = ["Private network (VPC)", "Subnet in us-west-2a", "Internet gateway", "Route to it", "Security group", "Role", "Instance profile", "Instance m8g.xlarge"];

function did(title: string, ago: number, what: string[], rest: Partial<Run> = {}): Run {
  const at = NOW - ago;
  const deeds = what.map((what, i) => ({ at: at + 2 * i, what, result: "done" as const, why: null }));
  return run(title, { at, until: at + 2 * what.length, deeds, ...rest });
}

const past: History = historyOf([
  did("Rebuild", 2 * DAY, ["Begin a rebuild of the machine's system"]),
  did("Start", 2 * DAY + HOUR, ["Start i-0123456789abcdef0"], { result: "refused", deeds: [{ at: NOW - 2 * DAY - HOUR, what: "Start i-0123456789abcdef0", result: "refused", why: "AWS has no free machine of this type in this zone right now" }] }),
  did("Stop", 3 * DAY, ["Stop i-0123456789abcdef0"]),
  did("Resize", 8 * DAY, ["Reserve m8g.xlarge", "Stop i-0123456789abcdef0", "Change its type to m8g.xlarge", "Start i-0123456789abcdef0", "Release the reservation"], { result: "unknown" }),
  did("Make", 30 * DAY, MADE, { command: "up" }),
  did("Destroy", 31 * DAY, ["End i-00000000000000001"], { machine: "dev/other/eu-central-1", who: null }),
]);

function longPast(count: number): History {
  const one = (i: number) => did(["Start", "Stop", "Rebuild", "Take a snapshot"][i % 4] ?? "", i * 5 * HOUR, ["i-0123456789abcdef0"]);
  return historyOf(Array.from({ length: count }, (_, i) => one(i)), 1234);
}

const portalPage =
  "https://oidc.us-west-2.amazonaws.com/authorize?response_type=code&client_id=dXMtd2VzdC0y-hF2sWm0GqQ&redirect_uri=http%3A%2F%2F127.0.0.1%3A41733%2Foauth%2Fcallback" +
  "&state=7d1f0c3fb3ef4a0f9f0f1f1f2f3f4f5f&code_challenge_method=S256&scopes=sso%3Aaccount%3Aaccess&code_challenge=Zf1f2f3f4f5f6f7f8f9f0a1a2a3a4a5a6a7a8a9a0b1";

const ofDevice = { profile: "prod", device: "arn:aws:iam::111122223333:mfa/ada" };

/** Nobody is signed in, or somebody does so now. */
function signedOut(rest: Parameters<typeof signIn>[0] = {}): View {
  const why = { code: "no_credentials", what: "There are no valid AWS credentials", cause: "Nobody is signed in to https://example.awsapps.com/start any more.", hints: [] };
  return view(
    { commands: { ...nothing, look: offer("Look again") }, profiles: accounts, sign_in: signIn({ why, ...rest }) },
    { state: "unknown", headline: "The state of remote-dev is not known", since: null, reachable: null, seen: NOW - 14 * HOUR },
  );
}

const accounts = profiles([
  profile("team/Admin"),
  profile("default", { kind: "keys", account: null, role: null, state: "unknown", until: null }),
  profile("old", { role: "ReadOnly", state: "sign_in", until: null, note: "holdfast login old" }),
  profile("prod", { kind: "role with MFA, from SSO", account: "444455556666", role: "Deploy", region: "eu-central-1", until: null }),
  profile("bad", { kind: "nothing", account: null, role: null, region: null, state: "faulty", until: null, note: "profile bad names the sso-session team, which is not there" }),
  profile("stale", { kind: "program granted", account: "777788889999", state: "refused", until: null, note: "AWS does not accept the credentials: the token is over" }),
]);

const portalAccounts = ["Sandbox", "Team", "Production", "A name that an administrator has made as long as he could"].map((name, i) => ({
  id: String(111122223333 + i),
  name,
  roles: ["AdministratorAccess", "ReadOnlyAccess"],
}));

/** In the set-up somebody adds a portal. */
function addingPortal(rest: Parameters<typeof portal>[0]): View {
  return view(
    { sign_in: signIn(), set_up: setUp(0), profiles: profiles([]), portal: portal({ begin: null, code: null, cancel: offer("Cancel"), ...rest }) },
    { ...nowhere, state: "unknown", headline: "The state of remote-dev is not known", seen: null },
  );
}

function manyAccounts(count: number): ReturnType<typeof profiles> {
  return profiles(Array.from({ length: count }, (_, i) => profile(`team-${i}/AdministratorAccess`, { account: String(100000000000 + i) })));
}

const kinds = [
  type("t4g.large", { vcpus: 2, memory: 8192, network: "Up to 5 Gigabit", monthly: 4906, difference: -8199 }),
  type("m7g.xlarge", { monthly: 11914, difference: -1191, network: "Up to 12.5 Gigabit" }),
  type("m8g.xlarge", { current: true }),
  type("c8g.2xlarge", { vcpus: 8, monthly: 23277, difference: 10172 }),
  type("m8g.2xlarge", { vcpus: 8, memory: 32768, monthly: 26210, difference: 13105 }),
  type("x8g.48xlarge", { vcpus: 192, memory: 3145728, network: "50 Gigabit", monthly: null, difference: null }),
  type("m7i.xlarge", {
    architecture: "x86_64",
    monthly: 14717,
    difference: 1612,
    hindrance: "Its processor is x86_64, the machine's is arm64; another instance takes that, with the home of this one: Replace",
  }),
];

const parts = { doctor: seen, history: past, profiles: accounts, sessions: work, system: good, snapshots: kept };

/** A machine that is on, with all that there is to see. */
function on(rest: Partial<View> = {}, machine: Parameters<typeof view>[1] = {}): View {
  const seen = { seen: NOW - 8, since: NOW - 2 * DAY };
  const { fields: app, ...more } = ofApp();
  const settings = { ...view().settings, ...more, fields: [...fields(), ...app] };
  return view({ commands: running, settings, types: types(kinds), ...parts, ...rest }, { ...seen, ...machine });
}

function off(rest: Partial<View> = {}, machine: Parameters<typeof view>[1] = {}): View {
  const cost = { ...view().machine.cost, now: 800 };
  const is = { state: "off", headline: "remote-dev is off", reachable: null, since: NOW - 9 * HOUR, seen: NOW - 8 } as const;
  return view({ commands: halted, snapshots: kept, ...rest }, { ...is, cost, ...machine });
}

const nowhere = { state: "absent", headline: "There is no remote-dev yet", instance: null, since: null, so_far: null, reachable: null } as const;

function operation(title: string, names: string[], at: number, rest: Partial<Operation> = {}): Operation {
  const progress = (i: number): Progress => (i < at ? "done" : i === at ? "now" : "next");
  const phases = names.map((name, i) => ({ name, progress: progress(i) }));
  return { title, since: NOW - 74, phases, doing: [], waiting: null, done: at * 3, of: names.length * 3, ...rest };
}

const denied: Problem = {
  code: "denied",
  what: "AWS does not allow that",
  cause:
    "User: arn:aws:sts::123456789012:assumed-role/Dev/ada is not authorized to perform: ec2:StartInstances on resource: " +
    "arn:aws:ec2:us-west-2:123456789012:instance/i-0123456789abcdef0 with an explicit deny in a service control policy",
  hints: ["Ask whoever runs your AWS organisation for ec2:StartInstances", "holdfast policy shows all that Holdfast needs"],
};

const resize: StepView[] = [
  step({ change: "alter", what: "Volume, 100 to 200 GiB", why: "while the machine runs", monthly: 800 }),
  step({ change: "alter", what: "Instance, m8g.xlarge to m8g.2xlarge", why: "about 90 s", monthly: 13105, interrupts: true }),
];

const asRoot = "\u001b[1;31m";
const clean = "\u001b[0m";

/** The log of a build, in colour. */
export function built(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => line(from + i));
}

function line(n: number): string {
  const store = `/nix/store/${((n + 1) * 0x9e3779b1).toString(36).padStart(11, "0")}z7k2v1qj9x4m8w5c3r6`;
  if (n % 97 === 41) return `${asRoot}error:${clean} builder for '${store}-tree-sitter-0.25.3.drv' failed with exit code 1`;
  if (n % 53 === 17) return `\u001b[33mwarning:${clean} Git tree '/etc/nixos' is dirty`;
  if (n % 41 === 9) return `\u001b[38;5;39m→${clean} \u001b[1;4mphase ${n % 7} of 7${clean} \u001b[38;2;160;120;220m${"━".repeat(n % 30)}${clean}`;
  if (n % 29 === 3) {
    const flags = "-Wall -Wextra -O2 -fPIC -fstack-protector-strong --param=ssp-buffer-size=4 -D_FORTIFY_SOURCE=3";
    return `tree-sitter> cc ${flags} -isystem ${store}-glibc-2.40-66-dev/include -c lib/src/lexer.c -o lexer.o`;
  }
  if (n % 3 === 0) return `copying path '${store}-perl-5.40.0' from 'https://cache.nixos.org'...`;
  if (n % 3 === 1) return `\u001b[32mbuilding${clean} '${store}-claude-code-2.1.240.drv'...`;
  return `claude-code> ${n} modules transformed`;
}

/** Each colour and ground that there is, and each way to write. */
const colours = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((hue) => `\u001b[3${hue}mwritten in ${hue}${clean} \u001b[9${hue}mand bright${clean}`),
  ...[1, 2, 3, 4, 5, 6, 7].map((hue) => `\u001b[4${hue};3${hue - 1}mwritten on ${hue}${clean}, \u001b[7;3${hue}minverse${clean}`),
  "\u001b[1mbold\u001b[0m, \u001b[2mfaint\u001b[0m, \u001b[3mitalic\u001b[0m, \u001b[4munderlined\u001b[0m, \u001b[7minverse\u001b[0m",
];

const evil = "<img src=x onerror=alert(1)>\u202egnp.exe\u001b[2J\u0007\u2066";
const endless = `${evil}${"W".repeat(300)}`;

const plan = (rest: Parameters<typeof preview>[0]) => preview({ number: 4, ...rest });
const machineStep = (rest: Partial<StepView>) => ({ area: "machine" as const, steps: [step(rest)] });

/** The logs by their numbers. */
export const logs: Record<number, LogChunk> = {
  1: { first: 0, lines: built(140) },
  2: { first: 1200, lines: built(500, 1200) },
  3: { first: 0, lines: colours },
  5: { first: 0, lines: [evil, endless, "\u001b]0;owned\u0007title", "\u009b31mC1", "a\tb", "M".repeat(1_000_000)] },
};

/** Each state by its name; `null` is an app that does not answer. */
export const states: Record<string, View | null> = {
  several: on({ machines: [machineChoice("remote-dev", true), { ...machineChoice("big-one"), hindrance: "A rebuild of remote-dev is under way." }, machineChoice("a-name-that-is-as-long-as-names-can-be-x")] }),
  "first-start": view({ sandbox: true, set_up: setUp(1) }, nowhere),
  "first-account": view(
    { sign_in: signIn(), set_up: setUp(0), profiles: accounts },
    { ...nowhere, state: "unknown", headline: "The state of remote-dev is not known", seen: null },
  ),
  "first-size": view({ set_up: setUp(2), types: types(kinds) }, nowhere),
  "first-source": view({ set_up: setUp(4) }, nowhere),
  "first-wrong": view({ set_up: setUp(3, [{ key: "user", text: "Not a name of a user: small letters, digits and dashes." }]) }, nowhere),
  "first-plan": view(
    {
      set_up: setUp(5),
      commands: { ...nothing, apply: offer("Make remote-dev", { note: "about three minutes" }) },
      preview: plan({
        cost: view().machine.cost,
        notes: ["Nothing on the internet can reach the machine: the way in goes through AWS Systems Manager."],
        groups: [
          {
            area: "network",
            steps: [
              step({ what: "VPC 10.73.0.0/24", why: "a network of the machine's own" }),
              step({ what: "Subnet in us-west-2a", why: "a network of the machine's own" }),
              step(),
              step({ what: "Security group without an open port", why: "nothing may enter" }),
            ],
          },
          { area: "identity", steps: [step({ what: "Role and instance profile", why: "Systems Manager knows it by that" })] },
          machineStep({ what: "Instance m8g.xlarge with 100 GiB", why: "the machine", monthly: 14270 }),
        ],
      }),
    },
    nowhere,
  ),
  making: view(
    {
      commands: { ...nothing, cancel: offer("Cancel", { note: "what is made stays, and the next try goes on from there" }) },
      operation: operation("Making remote-dev", ["Network", "Identity", "Machine", "Way in"], 2, {
        doing: ["RunInstances m8g.xlarge in us-west-2a", "CreateTags on 4 objects"],
        waiting: "the instance to be running",
      }),
    },
    nowhere,
  ),
  on: on(),
  "on-alone": on({ sessions: null, system: null, snapshots: null }),
  sick: on({ doctor: sick }),
  looking: on({
    doctor: doctor({ looking: true, look: null }),
    history: null,
    sessions: sessions([], { looking: true, seen: null, age: null, look: null }),
    system: system({ looking: true, seen: null, runs: null, look: null, rebuild: null }),
    snapshots: snapshots([], { looking: true, seen: null, look: null, take: null }),
  }),
  off: off(),
  starting: off(
    {
      commands: { ...nothing, cancel: offer("Cancel") },
      operation: operation("Starting remote-dev", ["Starting", "Booting", "Way in"], 1, { waiting: "the way in" }),
    },
    { state: "starting", headline: "remote-dev is starting", since: null },
  ),
  rebuilding: on({
    system: system({
      ...good,
      rebuild: null,
      standing: { standing: "behind", text: "It is behind what is declared for it", rebuild_next: true },
      job: job({ step: "building 31 of 50, claude-code-2.1.240", since: NOW - 200, by: "bob@laptop" }),
      log: { number: 2 },
    }),
  }),
  behind: on({
    system: system({
      ...good,
      standing: { standing: "behind", text: "It is behind what is declared for it", rebuild_next: true },
      off: { at: NOW + 3 * HOUR, why: "as off_at says" },
      note: "Its file system is 91 % full",
    }),
  }),
  "rebuild-failed": on({
    system: system({
      ...good,
      last: {
        text: "Rebuilding remote-dev did not work",
        at: NOW - 4 * MINUTE,
        problem: {
          code: "build_failed",
          what: "A build failed",
          cause: "error: builder for '/nix/store/x3k1p7-tree-sitter-0.25.3.drv' failed with exit code 1",
          hints: ["The machine runs what it ran before"],
        },
      },
      log: { number: 1 },
    }),
  }),
  coloured: on({ system: system({ ...good, log: { number: 3 } }) }),
  "cancel-failed": on({ system: system({ ...good, rebuild: null, job: job({ problem: denied }), log: { number: 4 } }) }),
  offline: view(
    { commands: { ...nothing, look: offer("Look again") } },
    {
      state: "unknown",
      headline: "It cannot be seen whether remote-dev is on",
      detail: "It was on when it was last seen.",
      since: null,
      reachable: null,
      seen: NOW - 3 * HOUR,
      problem: {
        code: "offline",
        what: "AWS cannot be reached",
        cause: "dns error: failed to lookup address information: Temporary failure in name resolution",
        hints: ["Holdfast looks again by itself as soon as the network is back"],
      },
    },
  ),
  "signed-out": signedOut(),
  "signing-in-browser": signedOut({
    stage: { at: "browser", page: portalPage },
    begin: null,
    cancel: offer("Cancel"),
  }),
  "signing-in-code": signedOut({
    stage: { at: "code", page: "https://device.sso.us-west-2.amazonaws.com/?user_code=WDJB-MJHT", code: "WDJB-MJHT" },
    begin: null,
    code: null,
    cancel: offer("Cancel"),
  }),
  "signing-in-device": signedOut({
    ...ofDevice,
    stage: { at: "device" },
    problem: { code: "denied", what: "AWS does not allow AssumeRole", cause: "MultiFactorAuthentication failed with invalid MFA one time pass code.", hints: [] },
    begin: null,
    code: null,
    cancel: offer("Cancel"),
  }),
  "sign-in-denied": signedOut({
    problem: {
      code: "sign_in_denied",
      what: "The sign-in was denied",
      cause: "somebody pressed Deny on the portal's page",
      hints: ["sign in once more, and allow it there"],
    },
  }),
  "signed-out-at-work": on({
    commands: { ...nothing, cancel: offer("Cancel", { note: "what is made stays, and the next try goes on from there" }) },
    operation: operation("Changing remote-dev", ["Network", "Identity", "Machine"], 2, { waiting: "you to sign in", since: NOW - 3 * HOUR }),
    sign_in: signIn({ why: { code: "expired", what: "Your AWS sign-in is over", cause: null, hints: [] }, waits: "Changing remote-dev" }),
  }),
  replacing: on({
    commands: { ...nothing, connect, cancel: offer("Cancel") },
    replacement: replacement({
      under_way: true,
      title: "Another instance is on its way into the place of remote-dev",
      text: "i-0fedcba987654321 takes over the home of i-0123456789abcdef0, file by file.",
      monthly: 14270,
      let_go: null,
      go_back: null,
    }),
    operation: operation("Replacing remote-dev", ["Snapshot", "New instance", "Home", "Check", "Over"], 2, {
      doing: ["Copying /home: 31.4 of 41.0 GiB, 212 MiB/s"],
      waiting: "the copy",
      since: NOW - 22 * MINUTE,
    }),
  }),
  "replacement-unfinished": on({
    replacement: replacement({
      under_way: true,
      title: "A replacement is not over",
      text: "i-0fedcba987654321 has the home of remote-dev, which was not checked.",
      monthly: 14270,
      go_on: offer("Go on"),
      take_back: offer("Take it back"),
      let_go: null,
      go_back: null,
    }),
  }),
  "replacement-kept": on({
    replacement: replacement({ text: "i-0fedcba987654321 was replaced on 12 November; its volume is as it was then." }),
    commands: { ...running, apply: offer("Let it go", { asks: "i-0fedcba987654321 ends, with its volume. Nothing brings it back." }) },
    preview: plan({
      of: { is: "let_go" },
      groups: [machineStep({ change: "remove", what: "Instance i-0fedcba987654321", why: "it was replaced", monthly: -800, loses_data: true })],
    }),
  }),
  restoring: off({
    commands: { ...halted, apply: offer("Restore", { asks: "Everything that runs on remote-dev ends." }) },
    preview: plan({
      of: { is: "restore", snapshot: "snap-0b42e8f1937acd610" },
      notes: ["Only what is in /home comes with it."],
      groups: [
        machineStep({ what: "Instance m8g.xlarge", why: "it takes the place of remote-dev", monthly: 14270, interrupts: true }),
      ],
    }),
  }),
  failed: off({ failed: { title: "Starting remote-dev", at: NOW - 5 * MINUTE, problem: denied, unopened: null } }),
  unopened: on({
    failed: {
      title: "Connecting to remote-dev",
      at: NOW - 20,
      problem: {
        code: "no_terminal_window",
        what: "foot could not be opened",
        cause: "failed to connect to wayland; no compositor running?",
        hints: ["choose one that is installed (xfce4-terminal, xterm): holdfast settings set terminal xfce4-terminal"],
      },
      unopened: {
        session: "work",
        others: [
          { terminal: "xfce4-terminal", name: "Xfce Terminal" },
          { terminal: "xterm", name: "xterm" },
        ],
        opened: null,
      },
    },
  }),
  openedInstead: on({
    failed: {
      title: "Connecting to remote-dev",
      at: NOW - 20,
      problem: { code: "no_terminal_window", what: "foot could not be opened", cause: "it is not installed", hints: [] },
      unopened: { session: null, others: [], opened: { terminal: "xterm", name: "xterm" } },
    },
  }),
  olderLog: on({
    history: {
      runs: [did("Rebuild", 2 * DAY, ["Begin a rebuild of the machine's system", "The job 1795334400-0a1b2c3d has ended"], { log: { job: "1795334400-0a1b2c3d", refused: null } }), ...past.runs],
      before: 0,
      log: { job: "1795334400-0a1b2c3d", log: { number: 2 }, reading: false, note: null, problem: null },
    },
  }),
  interrupted: on({
    interrupted: {
      title: "Changing remote-dev was interrupted",
      sentence: "Nothing is lost. The plan shows what is left to do.",
      at: NOW - 50 * MINUTE,
      is_planned: true,
    },
  }),
  resize: on({
    commands: { ...running, apply: offer("Apply", { note: "about 90 s", asks: stops }) },
    preview: plan({
      of: { is: "settings", draft: { ...typed, instance_type: "m8g.2xlarge", volume_size: "200" } },
      changes: [
        { key: "instance_type", from: "m8g.xlarge", to: "m8g.2xlarge" },
        { key: "volume_size", from: "100", to: "200" },
      ],
      groups: [{ area: "machine", steps: resize }],
      notes: ["AWS lets a volume be changed again only after 6 hours."],
      cost: { now: 28175, always: 28175, instance: 26210, volume: 1600, address: 365, prices_of: "2026-07-20" },
    }),
  }),
  "settings-wrong": on({
    preview: plan({
      errors: [
        { key: "volume_size", text: "A volume grows and never shrinks: 100 or more" },
        { key: "snapshot_every", text: "Not a number of hours that divides a day" },
      ],
    }),
  }),
  "settings-broken": view(
    {
      settings: {
        ...view().settings,
        path: "/home/ada/.config/holdfast/settings.toml",
        can_be_set_aside: true,
        fields: [],
        problem: {
          code: "settings",
          what: "The settings do not hold",
          cause: "line 3, column 10: expected a string\n   region = 5\n            ^",
          hints: ["Mend the file; Holdfast reads it again by itself"],
        },
      },
    },
    { state: "unknown", headline: "The settings do not hold", seen: null, instance: null, so_far: null, since: null },
  ),
  crowded: on({
    sandbox: true,
    tray: false,
    sessions: sessions(Array.from({ length: 24 }, (_, i) => session(`session-${i + 1}`, { since: NOW - i * HOUR }))),
    system: system({ ...good, generations: generationsOf(60) }),
    history: longPast(200),
    profiles: manyAccounts(40),
    snapshots: snapshots(Array.from({ length: 30 }, (_, i) => snapshot(`snap-${i}`, { taken: NOW - i * 6 * HOUR }))),
  }),
  hostile: view(
    {
      commands: { ...running, connect: offer(evil, { note: endless }) },
      sessions: sessions([session(endless, { name: "x", note: endless }), session(evil, { name: null })]),
      system: system({
        runs: endless,
        note: evil,
        generations: [generation(2, { revision: endless, kernel: endless }), generation(1)],
        job: job({ title: endless, step: endless, by: endless }),
        log: { number: 5 },
      }),
      snapshots: snapshots([snapshot("snap-1", { why: endless, state: endless })]),
      replacement: replacement({ title: endless, text: endless }),
      failed: {
        title: endless,
        at: NOW,
        problem: { code: "x", what: endless, cause: endless, hints: [endless] },
        unopened: { session: null, others: [{ terminal: "xterm", name: endless }], opened: null },
      },
      interrupted: { title: endless, sentence: endless, at: NOW, is_planned: true },
      operation: operation(endless, [endless, "b", "c"], 0, { doing: [endless], waiting: endless }),
      doctor: doctor({ headline: "1 thing does not work.", failed: 1, pressing: [{ area: "machine", mark: "failed", what: endless, todo: endless }] }),
      sign_in: signIn({ why: { code: "x", what: endless, cause: endless, hints: [endless] }, profile: endless, waits: endless, stage: { at: "code", page: endless, code: endless } }),
      profiles: profiles([profile(endless, { kind: endless, account: endless, role: endless, region: endless, state: "refused", note: endless })]),
      history: historyOf([did(endless, 60, [endless, evil], { who: endless, machine: endless })]),
      settings: { ...view().settings, path: endless, fields: fields().map((field) => ({ ...field, value: endless })) },
    },
    { name: endless, region: endless, headline: endless, detail: endless, notes: [endless] },
  ),
  "first-portal": view(
    { sign_in: signIn(), set_up: setUp(0), profiles: profiles([]), portal: portal() },
    { ...nowhere, state: "unknown", headline: "The state of remote-dev is not known", seen: null },
  ),
  "portal-roles": addingPortal({ stage: { at: "choosing", accounts: portalAccounts, listing: false } }),
  "portal-text": addingPortal({
    stage: {
      at: "naming",
      account: "111122223333",
      role: "AdministratorAccess",
      name: "example/AdministratorAccess",
      addition: {
        file: "/home/ada/.aws/config",
        text:
          "[sso-session example]\nsso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\nsso_registration_scopes = sso:account:access\n\n" +
          "[profile example/AdministratorAccess]\nsso_session = example\nsso_account_id = 111122223333\nsso_role_name = AdministratorAccess",
      },
      busy: false,
    },
    back: offer("Another role"),
    write: offer("Write it"),
  }),
  silent: null,
};
