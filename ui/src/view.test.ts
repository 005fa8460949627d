import { expect, test } from "vitest";

import {
  doctor,
  fields,
  generation,
  generations,
  job,
  nothing,
  NOW,
  offer,
  preview,
  profile,
  replacement,
  session,
  sessions,
  signIn,
  snapshot,
  snapshots,
  step,
  system,
  typed,
  view,
} from "./fixture";
import {
  amount,
  asText,
  atHand,
  badge,
  costOf,
  draft,
  few,
  found,
  isQuiet,
  loses,
  ofPlace,
  ofSettings,
  ofSnapshots,
  places,
  reasons,
  said,
  saidOf,
  saidOfDoctor,
  saidOfSessions,
  saidOfSignIn,
  saidOfSnapshots,
  shape,
  stage,
  stands,
  typedFor,
  validity,
  worst,
} from "./view";

const problem = { code: "denied", what: "AWS says no", cause: null, hints: [] };

test("each state has the shape of the tray icon, and work in progress is an arc", () => {
  const shapes = (["absent", "off", "starting", "stopping", "ending", "on", "unknown"] as const).map((state) =>
    shape(state, false),
  );
  expect(shapes).toEqual(["ring", "ring", "arc", "arc", "arc", "disc", "dashed"]);
  expect(shape("off", true)).toBe("arc");
});

test("the navigation says that somebody is needed before it says that something goes on", () => {
  const operation = { title: "Starting", since: 0, phases: [], doing: [], waiting: null, done: 0, of: 0 };
  const beside = (rest: Parameters<typeof view>[0]) => places.map((place) => badge(view(rest), place)?.text ?? "");
  expect(beside({})).toEqual(["", "", "", "", ""]);
  expect(beside({ operation })).toEqual(["", "", "at work", "", ""]);
  expect(beside({ system: system({ job: job() }) })).toEqual(["", "", "at work", "", ""]);
  expect(beside({ operation, interrupted: { title: "", sentence: "", at: 0, is_planned: false } })).toEqual(["", "", "needs you", "", ""]);
  expect(beside({ settings: { ...view().settings, problem } })).toEqual(["", "", "", "needs you", ""]);
  expect(beside({ sessions: sessions([session("a"), session("b"), session("c", { live: false })]) })).toEqual(["", "2", "", "", ""]);
});

test("the doctor's page says how much does not work, and his findings can be sent as text", () => {
  const pressing = [{ area: "machine" as const, mark: "failed" as const, what: "its agent is silent", todo: "holdfast restart" }];
  const areas = [{ area: "machine" as const, findings: ["it is on"] }];
  const sick = doctor({ headline: "1 thing does not work.", failed: 1, well: 1, pressing, areas });
  expect(badge(view({ doctor: sick }), "doctor")).toEqual({ text: "1", amber: true, short: true });
  expect([worst(sick), worst(doctor({ warnings: 2 })), worst(doctor())]).toEqual(["failed", "warning", "ok"]);
  expect(asText(sick)).toBe(
    "1 thing does not work.\n\nWorth a look\n  failed   Machine: its agent is silent\n           → holdfast restart\n\nMachine\n  ok       it is on\n",
  );
  expect([saidOfDoctor(sick), saidOfDoctor({ ...sick, looking: true }), saidOfDoctor(doctor())]).toEqual(["1 thing does not work.", "", ""]);
});

test("a profile says whether it gives credentials", () => {
  const said = (rest: Parameters<typeof profile>[1]) => validity(profile("work", rest), NOW);
  expect(said({ until: NOW - 1 }).text).toBe("signed in, renewed when it is needed");
  expect(said({ until: NOW + 60 }).text).toMatch(/^signed in until \d\d:\d\d$/);
  expect(said({ until: null })).toEqual({ text: "good", note: null });
  expect(said({ state: "sign_in", note: "holdfast login work" })).toEqual({ text: "sign in", note: null });
  expect(said({ state: "unknown" }).text).toBe("not asked yet");
  expect(said({ state: "faulty", note: "no region" })).toEqual({ text: "makes no sense", note: "no region" });
  expect(said({ state: "refused", note: "over" }).note).toBe("over");
});

test("a sign-in is heard at each of its stages, and needs you only while nobody signs in", () => {
  expect(saidOfSignIn(null)).toBe("");
  expect(saidOfSignIn(signIn())).toBe("Sign in to AWS.");
  expect(saidOfSignIn(signIn({ problem }))).toBe("You are not signed in: AWS says no.");
  const heard = (stage: NonNullable<ReturnType<typeof signIn>["stage"]>) => saidOfSignIn(signIn({ stage, device: "mfa/ada" }));
  expect(heard({ at: "browser", page: "https://x" })).toContain("Waiting for the browser");
  expect(heard({ at: "code", page: "https://x", code: "AB" })).toContain("confirm");
  expect(heard({ at: "device" })).toBe("Code of the MFA device mfa/ada.");
  expect([heard({ at: "begins" }), heard({ at: "checking" })]).toEqual(["Asking AWS…", "Looking at AWS…"]);
  expect(badge(view({ sign_in: signIn() }), "machine")?.text).toBe("needs you");
  expect(badge(view({ sign_in: signIn({ stage: { at: "begins" } }) }), "machine")).toBeNull();
});

test("a list is searched for each word, in any order", () => {
  const list = ["main", "api refactor", "refactor the API"];
  expect(found(list, "  API ref", (one) => one)).toEqual(["api refactor", "refactor the API"]);
  expect(found(list, "", (one) => one)).toEqual(list);
  expect(found(list, "no", (one) => one)).toEqual([]);
});

test("the sessions at hand are those that live and can be opened, and few", () => {
  const many = Array.from({ length: 9 }, (_, i) => session(`s${i}`));
  expect(atHand(null)).toEqual([]);
  const list = [session("ended", { live: false }), session("odd", { connect: null }), ...many];
  expect(atHand(sessions(list)).map(({ name }) => name)).toEqual(["s0", "s1", "s2", "s3", "s4"]);
});

test("it is quiet when nothing goes on and nothing needs somebody", () => {
  expect(isQuiet(view())).toBe(true);
  expect(isQuiet(view({ system: system() }))).toBe(true);
  expect(isQuiet(view({ system: system({ job: job() }) }))).toBe(false);
  expect(isQuiet(view({ failed: { title: "", at: 0, problem, unopened: null } }))).toBe(false);
});

test("a state is heard once: what is not a change of it leaves the text as it is", () => {
  expect(said(view({}, { seen: 1 }))).toBe(said(view({}, { seen: 2, since: 5 })));
  expect(said(view())).toBe("remote-dev is on.");
  const failed = view({ failed: { title: "Starting remote-dev", at: 0, problem, unopened: null } });
  expect(said(failed)).toBe("Starting remote-dev did not work: AWS says no. remote-dev is on.");
});

test("what a month has cost is an amount, its bounds, or not known, and never nothing", () => {
  const soFar = (least: number, most: number) => amount({ least, most });
  expect(amount(null)).toBe("not known");
  expect(soFar(9710, 9710)).toBe("$97.10");
  expect(soFar(4000, 9710)).toBe("$40.00 to $97.10");
  expect(soFar(0, 9710)).toBe("at most $97.10");
});

test("a preview is in one stage", () => {
  expect(stage(preview({ looking: true }))).toBe("looking");
  expect(stage(preview({ errors: [{ key: "user", text: "no" }] }))).toBe("errors");
  expect(stage(preview({ problem }))).toBe("problem");
  expect(stage(preview())).toBe("ready");
  expect(saidOf(null)).toBe("");
  expect(saidOf(preview())).toBe("Nothing to do: the machine is as these settings say.");
  expect(saidOf(preview({ groups: [{ area: "network", steps: [step()] }] }))).toBe("The plan is ready: 1 step.");
});

test("a reason is said once where successive steps share it", () => {
  const steps = ["a", "a", "b", "a"].map((why) => step({ why }));
  expect(reasons(steps)).toEqual(["a", "", "b", "a"]);
});

test("a draft holds what was typed, and what is fixed as it is", () => {
  const typed = { profile: "work", user: "me" };
  const embedded = { config: "embedded", config_git: "", config_directory: "" };
  const all = { region: "us-west-2", instance_type: "m8g.xlarge", volume_size: "100", zone: "", snapshot_every: "", snapshot_keep: "7", ...embedded };
  expect(draft(fields(), typed)).toEqual({ ...all, profile: "work", user: "me" });
  expect(draft(fields("It stays."), typed)).toEqual({ ...all, profile: "work", user: "dev" });
  expect(draft(fields(), { region: "" }).region).toBe("");
});

test("a window that opens on a preview shows what was typed for it", () => {
  expect(typedFor(view())).toEqual({});
  const draft = { ...typed, user: "me" };
  expect(typedFor(view({ preview: preview({ of: { is: "settings", draft } }) }))).toEqual({ user: "me" });
  expect(typedFor(view({ preview: preview({ of: { is: "replace" } }) }))).toEqual({});
});

test("a question stands as long as its command is on offer and asks", () => {
  expect(stands("stop", view())).toBe(false);
  expect(stands("stop", view({ commands: { ...nothing, stop: offer("Stop", { asks: "Everything ends." }) } }))).toBe(true);
  expect(stands("apply", view({ commands: { ...nothing, apply: offer("Apply") } }))).toBe(false);
  const some = view({ sessions: sessions([session("work"), session("old", { end: null })]) });
  expect([stands("end:work", some), stands("end:old", some), stands("end:gone", some)]).toEqual([true, false, false]);
  const several = view({ system: system({ generations: generations(3) }) });
  expect([stands("go:2", several), stands("go:3", several), stands("go:4", several)]).toEqual([true, false, false]);
});

test("of many generations the newest are shown, and the one that runs", () => {
  const numbers = (count: number, runs: number) =>
    few(Array.from({ length: count }, (_, i) => generation(count - i, { flags: count - i === runs ? ["current"] : [] }))).map(
      ({ number }) => number,
    );
  expect(numbers(4, 4)).toEqual([4, 3, 2, 1]);
  expect(numbers(12, 12)).toEqual([12, 11, 10, 9, 8]);
  expect(numbers(12, 3)).toEqual([12, 11, 10, 9, 8, 3]);
});

test("sessions are heard when they are there, and not while they are looked at", () => {
  expect(saidOfSessions(null)).toBe("");
  expect(saidOfSessions(sessions([], { looking: true }))).toBe("");
  expect(saidOfSessions(sessions([], { seen: null }))).toBe("");
  expect(saidOfSessions(sessions([]))).toBe("No sessions.");
  expect(saidOfSessions(sessions([session("work")]))).toBe("1 session.");
  expect(saidOfSessions(sessions([session("work")], { problem }))).toBe("AWS says no.");
});

test("a replacement that is not over needs somebody, one that is kept does not", () => {
  expect(badge(view({ replacement: replacement() }), "machine")).toBeNull();
  expect(badge(view({ replacement: replacement({ under_way: true }) }), "machine")?.amber).toBe(true);
  const operation = { title: "Starting", since: 0, phases: [], doing: [], waiting: null, done: 0, of: 0 };
  expect(badge(view({ operation, replacement: replacement({ under_way: true }) }), "machine")).toBeNull();
});

test("each preview has one place", () => {
  const all = [
    { is: "settings", draft: typed },
    { is: "replace" },
    { is: "go_on" },
    { is: "take_back" },
    { is: "let_go" },
    { is: "go_back" },
    { is: "restore", snapshot: "snap-1" },
    { is: "delete_snapshot", snapshot: "snap-1" },
  ] as const;
  const places = all.map((of) => [ofSettings, ofPlace, ofSnapshots].map((place) => (place(preview({ of })) ? 1 : 0)).join(""));
  expect(places).toEqual(["100", "010", "010", "010", "010", "010", "001", "001"]);
  expect([ofSettings, ofPlace, ofSnapshots].map((place) => place(null))).toEqual([null, null, null]);
  expect(saidOf(preview({ of: { is: "let_go" } }))).toBe("There is nothing to do.");
});

test("what is on an instance that never was the machine is no loss", () => {
  const groups = [{ area: "machine" as const, steps: [step({ loses_data: true })] }];
  expect(loses(preview({ of: { is: "take_back" }, groups }))).toBe(false);
  expect(loses(preview({ of: { is: "let_go" }, groups }))).toBe(true);
  expect(loses(preview({ of: { is: "let_go" } }))).toBe(false);
});

test("snapshots cost an amount, a range, or what nobody knows", () => {
  const of = (least: number | null, most: number | null) => costOf(snapshots([], { cost: { least, most, basis: "" } }));
  expect(of(500, 500)).toBe("All of them cost $5.00 a month.");
  expect(of(0, 500)).toBe("All of them cost at most $5.00 a month.");
  expect(of(100, 500)).toBe("All of them cost $1.00 to $5.00 a month.");
  expect(of(null, null)).toBe("What they cost is not known.");
  expect(costOf(snapshots([snapshot("snap-1")]))).toBe("It costs at most $10.00 a month.");
  expect(costOf(snapshots([]))).toBe("");
});

test("the snapshots are heard once they are seen", () => {
  expect(saidOfSnapshots(null)).toBe("");
  expect(saidOfSnapshots(snapshots([], { looking: true }))).toBe("");
  expect(saidOfSnapshots(snapshots([]))).toBe("No snapshots.");
  expect(saidOfSnapshots(snapshots([snapshot("snap-1")]))).toBe("1 snapshot.");
  expect(saidOfSnapshots(snapshots([], { problem }))).toBe("AWS says no.");
});
