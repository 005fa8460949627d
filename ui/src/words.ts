// What the pages themselves say, in one place, to be translated. What is said about the machine comes from Rust.

import type { Area, Change, Decision, Examined, Flag, Key, Mark, NoticeKind, Outcome, Proposal, Topic } from "./bindings";
import type { Place } from "./view";

/** The language of this file. The user's region still decides how numbers and dates are written. */
export const language = "en";

/** Text with its full stop. */
export function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

export const app = "Holdfast";
export const sandbox = "Sandbox: this is not AWS. Nothing costs money.";
export const noTray = "This desktop has no tray: Holdfast ends with this window. Your machine does not.";
export const pages = "Pages";
export const machine = "Machine";
export const places = {
  machine: "Machine",
  sessions: "Sessions",
  activity: "Activity",
  settings: "Settings",
  doctor: "Doctor",
} satisfies Record<Place, string>;
export const atWork = "at work";
export const needsYou = "needs you";
export const silent = "Holdfast does not answer";

export const since = "since";
export const checked = "checked";
export const wayInChecked = "way in checked";
export const asOf = "As it was seen";
export const notes = "Good to know";
export const stopYes = (name: string) => `Stop ${name}`;
export const stopNo = "Leave it on";
export const autostart = "Start with the desktop";
export const autostartNote = "The icon is in the tray after you sign in. The machine is left as it is.";
export const restartYes = (name: string) => `Restart ${name}`;
export const restartNo = "Let it run on";

export const lookingAtMachine = "Looking at the machine…";
export const asOfNow = "as of";
export const refresh = "Refresh";
export const sessionName = "Name";
export const sessionState = "State";
export const panes = "Panes";
export const live = "live";
export const liveMade = "live, made";
export const ended = "ended";
export const notLooked = "Nobody has looked yet.";
export const noSessions = "No sessions. Connect makes one.";
export const sessionsUnseen = "Its sessions are seen while it is on.";
export const sessionsNotYet = "Its sessions cannot be seen yet.";
export const search = {
  sessions: "Search the sessions",
  generations: "Search the generations",
  snapshots: "Search the snapshots",
  log: "Search the log",
  history: "Search what was changed",
  profiles: "Search the profiles",
  roles: "Search the roles",
  types: "Search all types: 8 vCPU, arm64, m8g",
};
export const nothingFound = "Nothing matches.";
export const sessionCount = (count: number) => (count === 1 ? "1 session." : `${count || "No"} sessions.`);
export const endYes = (label: string, name: string) => `${label} ${name}`;
export const endNo = "Leave it";
export const newSession = "New session";

export const system = "System";
export const rebuild = "Rebuild";
export const askedBy = (who: string) => `asked for by ${who}`;
export const notCancelled = "It goes on: cancelling did not work";
export const quiet = "Nothing is going on.";
export const lastJob = "The last job";
export const showLog = "Show the log";
export const log = "Log";
export const logBefore = (count: number, shown: string) => (count === 1 ? "1 line before these" : `${shown} lines before these`);
export const matches = (at: string, count: string, isAt: boolean) => (isAt ? `${at} of ${count}` : `${count} found`);
export const previous = "Previous";
export const next = "Next";
export const copyAll = "Copy all";
export const copyMarked = "Copy selection";
export const copied = (count: number, shown: string) => (count === 1 ? "1 line copied" : `${shown} lines copied`);
export const notCopied = "Copying did not work";
export const toTheEnd = "To the end";
export const newLines = (count: number, shown: string) => (count === 1 ? "1 new line" : `${shown} new lines`);
export const silentLog = "It has said nothing yet.";
export const generations = "Generations";
export const generation = (number: number) => `Generation ${number}`;
export const generationNumber = "No.";
export const configuration = "Configuration";
export const made = "Made";
export const kernel = "Kernel";
export const size = "Size";
export const flags = {
  current: "runs",
  booted: "booted",
  good: "good",
  trial: "on trial",
  refused: "refused",
} satisfies Record<Flag, string>;
export const allGenerations = (count: number) => `All ${count} generations`;
export const goYes = (generation: number) => `Go to generation ${generation}`;
export const goNo = "Leave it as it is";

export const snapshots = "Snapshots";
export const lookingAtSnapshots = "Looking at AWS…";
export const taken = "Taken";
export const notKnownWhen = "not known when";
export const ofVolume = "Volume";
export const why = "Why";
export const noSnapshots = "No snapshots yet.";
export const snapshotCount = (count: number) => (count === 1 ? "1 snapshot." : `${count || "No"} snapshots.`);
export const allCost = (count: number, amount: string) => `${count === 1 ? "It costs" : "All of them cost"} ${amount} a month.`;
export const allCostUnknown = "What they cost is not known.";

export const signIn = "Sign in to AWS";
export const signInProfile = "With the profile";
export const signInWaits = (title: string) => `${title} goes on by itself as soon as you are signed in.`;
export const signInThen = "Everything goes on by itself as soon as you are signed in.";
export const signInNot = "You are not signed in";
export const signInBegins = "Asking AWS…";
export const signInBrowser = "Waiting for the browser. Allow Holdfast on the page that it shows.";
export const signInNoBrowser = "If no browser opens, open this address:";
export const signInCode = "Open this address in any browser, on this computer or another, and confirm that it shows this code:";
export const signInChecking = "Looking at AWS…";
export const signInGo = "Go on";
export const mfaCode = (device: string) => `Code of the MFA device ${device}`;
export const otherProfile = "Use another profile";
export const copyAddress = "Copy the address";
export const copyCode = "Copy the code";

export const portal = "Add an SSO portal";
export const portalAdd = "Add one";
export const portalNote = "A portal of IAM Identity Center: your administrator knows both.";
export const startUrl = "Start URL";
export const portalRegion = "Its region";
export const portalSignIn = "Sign in";
export const portalListing = "Asking the portal for your roles…";
export const portalChoose = "Which role?";
export const portalName = "Name of the profile";
export const portalShow = "Show what is added";
export const portalAdds = "To be added to";
export const portalAdded = (name: string) => `The profile ${name} is added.`;

export const profiles = "AWS profiles";
export const profileName = "Profile";
export const profileWho = "Account and role";
export const noProfiles = "The AWS configuration has no profile.";
export const checkProfiles = "Check them";
export const checkingProfiles = "Asking AWS about each…";
export const use = "Use";
export const inUse = "in use";
export const chosen = "chosen";
export const validUntil = (when: string) => `signed in until ${when}`;
export const validRenewed = "signed in, renewed when it is needed";
export const valid = "good";
export const signInNeeded = "sign in";
export const notAsked = "not asked yet";
export const refusedCredentials = "AWS does not take it";
export const faulty = "makes no sense";

export const doctorAreas = {
  settings: "Settings",
  credentials: "Credentials",
  network: "Network",
  permissions: "Permissions",
  capacity: "Capacity",
  machine: "Machine",
  desktop: "This computer",
  versions: "Versions",
} satisfies Record<Examined["area"], string>;
export const doctorPressing = "Worth a look";
export const doctorMarks = { ok: "Well", warning: "Worth a look", failed: "Does not work" } satisfies Record<Mark, string>;
export const doctorNotYet = "Nobody has looked yet.";
export const doctorLooking = "Looking at everything…";
export const doctorChangesNothing = "Settings, sign-in, network, permissions, the machine and this computer. Nothing is changed.";
export const doctorSeen = "Looked at";
export const doctorFailed = (count: number) => `${count} ${count === 1 ? "does" : "do"} not work`;
export const doctorWarnings = (count: number) => `${count} worth a look`;
export const doctorWell = (count: number) => `${count} well`;
export const examining = "Examining…";
export const copyText = "Copy as text";
export const copiedText = "Copied";

export const history = "What this computer has changed";
export const historyWhat = "What";
export const historyWhen = "When";
export const historyResult = "Result";
export const historyWho = "As";
export const historyNone = "This computer has changed nothing yet.";
export const historyAll = (count: number) => `All ${count}`;
export const historyBefore = (count: string) => `${count} before these: holdfast history --all`;
export const fetching = "Fetching it from the machine…";
export const things = (count: number) => (count === 1 ? "1 thing" : `${count} things`);
export const outcomes = { done: "done", unknown: "nobody heard", refused: "not done" } satisfies Record<Outcome, string>;

export const newCosts = (amount: string) => `The new instance costs ${amount} a month as it is.`;
export const oldCosts = (amount: string) => `The old instance costs ${amount} a month as it is.`;

export const type = "Type";
export const volume = "Volume";
export const gib = (size: number | string) => `${size} GiB`;
export const zone = "Zone";
export const instance = "Instance";
export const costNow = "Costs now";
export const costAlways = "If always on";
export const soFar = "This month so far";
export const between = (least: string, most: string) => `${least} to ${most}`;
export const atMost = (most: string) => `at most ${most}`;
export const soFarIs = "This month is counted from its beginning in UTC until the last look, without snapshots.";
export const unknown = "not known";
export const none = "none";
export const aMonth = (amount: string) => `${amount} a month`;
export const costParts = { instance: "instance", volume: "volume", address: "public address" };
export const alwaysOn = (parts: string) => `Always on: ${parts}.`;
export const thatIs = (parts: string) => `That is ${parts}.`;
export const pricesOf = "AWS prices of";
export const without = "on demand, without tax, credits, discounts and data transfer";

export const goesOff = (when: string, why: string) => `It goes off by itself: ${when}, ${why}.`;
export const waiting = (what: string) => `Waiting for ${what}`;
export const steps = (done: number, of: number) => `${done} of ${count(of)}`;
export const preparing = "Looking at what there is";
export const didNotWork = (title: string) => `${title} did not work`;
export const hints = "What helps";
export const begun = "It began";
export const dismiss = "Dismiss";
export const openIn = (terminal: string) => `Open in ${terminal}`;
export const openedIn = (terminal: string) => `It is open in ${terminal}.`;
export const alwaysIn = (terminal: string) => `Always open in ${terminal}`;

export const decisions = {
  account: "Account",
  region: "Region",
  size: "Type and size",
  user: "User",
  configuration: "Configuration",
  plan: "Plan",
} satisfies Record<Decision, string>;
export const decisionTitles = {
  account: "Whose AWS account",
  region: "Which region",
  size: "How large it is",
  user: "Who works on it",
  configuration: "What it runs",
  plan: "What is made",
} satisfies Record<Decision, string>;
export const decisionNotes = {
  account:
    "Holdfast makes one NixOS machine in your AWS account, in a private network that nothing can enter. " +
    "Nothing is made before you have seen all of it, with its cost.",
  region: "The nearer, the quicker your keys. A machine stays in its region.",
  size: "Both can change later: the type while the machine is off for a minute, the volume upwards at any time.",
  user: "The name of your user on the machine. It stays as it is.",
  configuration: "The NixOS configuration that comes with Holdfast is good to begin with, and yours to change.",
  plan: "Every step, what it costs and what it is for. You can leave at any time and go on from here.",
} satisfies Record<Decision, string>;
export const decided = "decided";
export const goOn = "Go on";
export const configKinds = {
  embedded: "What comes with Holdfast",
  git: "A git repository",
  directory: "A folder on this computer",
};
export const types = "Instance types";
export const allTypes = "All types";
export const lookingAtTypes = "Asking AWS…";
export const vcpu = "vCPU";
export const vcpus = (count: number) => `${count} vCPU`;
export const memory = "Memory";
export const network = "Network";
export const monthly = "A month";
export const difference = "Difference";
export const asNow = "as now";
export const moreTypes = (count: number) => `${count} more: search for what you want.`;
export const typesNote = "A month of the instance alone, if it is always on. What is impossible here is found by searching, with the reason.";
export const volumeSlider = "Size of the volume in GiB";
export const diskUsed = (used: string, of: string) => `${used} of ${of} are used.`;
export const volumeMore = (more: string, amount: string) => `${more} more cost ${amount} a month.`;
export const thisApp = "This app";
export const terminalDefault = "the desktop's own";
export const noticesTitle = "Notifications";
export const notices = {
  rebuild: "A rebuild has ended",
  state: "The machine changed by itself",
  operation: "Something ended while the window was closed",
  sign_in: "You have to sign in",
  disk: "Its disk is nearly full",
  update: "There is a newer Holdfast",
} satisfies Record<NoticeKind, string>;
export const updates = "Look for newer versions";
export const updatesNote = "Once a day. Nothing else is sent.";
export const whatIsLeft = "Show what is left";
export const setAside = "Put the file aside, and start again";
export const isAside = (path: string) => `Your earlier settings are now in ${path}.`;
export const newer = (version: string) => `Holdfast ${version} is available`;
export const fields = {
  profile: "AWS profile",
  region: "Region",
  instance_type: "Instance type",
  volume_size: "Volume, GiB",
  user: "User",
  volume_iops: "Volume, IOPS",
  volume_throughput: "Volume, MiB/s",
  alternates: "Other types if AWS has none",
  zone: "Zone",
  snapshot_every: "A snapshot",
  snapshot_keep: "Snapshots to keep",
  off_at: "Off each day at",
  off_when_idle: "Off when idle, minutes",
  subnet: "Subnet",
  instance_profile: "Instance profile",
  permissions_boundary: "Permissions boundary",
  kms_key: "KMS key",
  config: "Where it comes from",
  config_git: "Repository",
  config_branch: "Branch",
  config_folder: "Folder in the repository",
  config_directory: "Folder on this computer",
  config_attribute: "Name in nixosConfigurations",
  tags: "Tags",
  terminal: "Terminal",
  mute: "Without notifications of",
  updates: "Look for newer versions",
} satisfies Record<Key, string>;
export const changed = {
  profile: "AWS profile",
  region: "region",
  instance_type: "instance type",
  volume_size: "volume in GiB",
  user: "user",
  volume_iops: "IOPS of the volume",
  volume_throughput: "MiB/s of the volume",
  alternates: "other types",
  zone: "zone",
  snapshot_every: "hours between snapshots",
  snapshot_keep: "snapshots to keep",
  off_at: "off each day at",
  off_when_idle: "off after idle minutes",
  subnet: "subnet",
  instance_profile: "instance profile",
  permissions_boundary: "permissions boundary",
  kms_key: "KMS key",
  config: "where the configuration comes from",
  config_git: "repository",
  config_branch: "branch",
  config_folder: "folder in the repository",
  config_directory: "folder on this computer",
  config_attribute: "name in nixosConfigurations",
  tags: "tags",
  terminal: "terminal",
  mute: "notifications that are off",
  updates: "newer versions",
} satisfies Record<Key, string>;
export const topics = {
  machine: "Machine",
  hardware: "Speed and place",
  configuration: "Its configuration",
  snapshots: "Scheduled snapshots",
  power: "Switching off by itself",
  company: "What your company provides",
  app: "This app",
} satisfies Record<Topic, string>;
/** What a field takes, where that is not plain. */
export const asks = {
  alternates: "for example m7g.xlarge, m8g.2xlarge",
  zone: "where it is, or the first that has the type",
  off_at: "never; a time like 22:30",
  off_when_idle: "never; 10 to 1440",
  subnet: "made for the machine",
  instance_profile: "made for the machine",
  permissions_boundary: "none",
  kms_key: "the account's own",
  profile: "the usual chain",
  config_git: "for example https://example.com/team/machines.git",
  config_branch: "its default one",
  config_directory: "for example ~/machines",
  tags: "for example team=web, cost=42",
} as Partial<Record<Key, string>>;
export const becomes = "becomes";
export const standard = "default";
export const isStandard = "the default";
export const never = "Never";
export const everyHours = (hours: number) => (hours === 1 ? "Every hour" : `Every ${hours} hours`);
export const known = (field: string) => `${field}: choose a known one`;
export const file = "Settings file";
export const plan = "Show the plan";

export const previews = {
  settings: "What this does",
  replace: "Another instance in the machine's place",
  go_on: "The rest of the replacement",
  take_back: "The replacement, taken back",
  let_go: "The old instance, let go",
  go_back: "The old instance as the machine again",
  restore: "A machine with the home of a snapshot",
  delete_snapshot: "A snapshot, deleted",
} satisfies Record<Proposal["is"], string>;
export const looking = "Looking at AWS…";
export const errors = (count: number) => (count === 1 ? "One value does not hold." : `${count} values do not hold.`);
export const noPlan = "There is no plan";
export const nothing = "Nothing to do: the machine is as these settings say.";
export const nothingToDo = "There is nothing to do.";
export const onlySettings = "Only the settings change; nothing in AWS does.";
export const count = (steps: number) => (steps === 1 ? "1 step" : `${steps} steps`);
export const areas = { network: "Network", identity: "Identity", machine: "Machine" } satisfies Record<Area, string>;
export const marks = {
  add: { mark: "+", means: "Add:" },
  alter: { mark: "~", means: "Change:" },
  remove: { mark: "-", means: "Remove:" },
} satisfies Record<Change, { mark: string; means: string }>;
export const interrupts = "ends what runs on it";
export const losesData = "data is lost";
export const applyInterrupts = (label: string) => `${label}, and end what runs`;
export const applyLoses = (label: string) => `${label}, and lose the data`;
export const applyYes = {
  take_back: "Take it back",
  let_go: "Let it go for ever",
  go_back: "Go back, and lose what was done since",
  delete_snapshot: "Delete it for ever",
} as Partial<Record<Proposal["is"], string>>;
export const applyNo = "Leave it as it is";
export const cancel = "Cancel";
export const ready = (steps: number) => `The plan is ready: ${count(steps)}.`;

export const seconds = (s: number) => `${s} s`;
export const minutes = (min: number) => `${min} min`;
export const hours = (h: number) => `${h} h`;
export const days = (days: number) => (days === 1 ? "1 day" : `${days} days`);
export const ago = (span: string) => `${span} ago`;
export const justNow = "just now";
export const yesterday = (time: string) => `yesterday ${time}`;

/** They are constants of their own, and no object, so that the bundler shortens their names. */
export * as words from "./words";
