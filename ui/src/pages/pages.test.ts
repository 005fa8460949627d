import { render } from "svelte/server";
import { expect, test } from "vitest";

import type { OlderLog, View } from "../bindings";
import * as bridge from "../bridge";
import {
  doctor,
  fields,
  generation,
  generations,
  history,
  job,
  machineChoice,
  nothing,
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
  view,
} from "../fixture";
import App from "../App.svelte";
import LogView from "../log/LogView.svelte";
import { Model } from "../model.svelte";
import Activity from "./Activity.svelte";
import Doctor from "./Doctor.svelte";
import Machine from "./Machine.svelte";
import Sessions from "./Sessions.svelte";
import Settings from "./Settings.svelte";

const model = (asking: Model["asking"] = null) => {
  const model = new Model({ ...bridge, firstPage: () => "machine" });
  model.asking = asking;
  return model;
};
const machine = (view: View, asking?: Model["asking"]) =>
  render(Machine, { props: { model: model(asking), view } }).body;
const activity = (view: View) => render(Activity, { props: { model: model(), view } }).body;
const sessionsPage = (view: View, asking?: Model["asking"]) =>
  render(Sessions, { props: { model: model(asking), view } }).body;
const settings = (view: View) => render(Settings, { props: { model: model(), view } }).body;
const doctorPage = (view: View) => render(Doctor, { props: { model: model(), view } }).body;
const acts = (html: string) => [...html.matchAll(/data-act="([\w:-]+)"/g)].map((match) => match[1]);

const absent = { state: "absent", headline: "There is no remote-dev yet", instance: null } as const;
const cause = "<img src=x onerror=alert(1)>";
const problem = { code: "denied", what: "AWS says no", cause, hints: ["holdfast status"] };

test("what is not on offer has no button", () => {
  expect(acts(machine(view()))).toEqual([]);
  expect(acts(machine(view({ commands: { ...nothing, connect: offer("Connect") } })))).toEqual(["connect"]);
  const stop = offer("Stop", { asks: "It ends." });
  const all = { ...nothing, connect: offer("Connect"), start: offer("Start"), stop };
  expect(acts(machine(view({ commands: all })))).toEqual(["stop", "start", "connect"]);
});

test("every figure says what it is", () => {
  const so_far = { least: 4000, most: 9710, from: 0, until: 0, notes: ["When it was on is known from 2026-11-20 08:30 UTC on."] };
  const html = machine(view({}, { so_far }));
  expect(html).toContain("$142.70 a month");
  expect(html).toContain("without tax, credits, discounts and data transfer");
  expect(html).toContain("$40.00 to $97.10");
  expect(html).toContain("without snapshots. When it was on is known from 2026-11-20 08:30 UTC on.");
  expect(machine(view({}, { so_far: null }))).toContain("not known");
});

test("a machine that is on can be restarted, after a question", () => {
  const commands = { ...nothing, restart: offer("Restart", { asks: "Everything ends." }) };
  expect(acts(machine(view({ commands })))).toEqual(["restart"]);
  expect(acts(machine(view({ commands }), "restart"))).toEqual(["restart", "restart-yes", "restart-no"]);
});

test("the question whether to stop needs its offer", () => {
  expect(acts(machine(view(), "stop"))).toEqual([]);
  const commands = { ...nothing, stop: offer("Stop", { asks: "Everything ends." }) };
  const html = machine(view({ commands }), "stop");
  expect(acts(html)).toEqual(["stop", "stop-yes", "stop-no"]);
  expect(html).toContain("Everything ends.");
  expect(html).toContain("Stop remote-dev");
});

test("where there is no machine the set-up takes the place of the facts, until something is made", () => {
  const at = (done: number) => machine(view({ set_up: setUp(done) }, absent));
  expect(at(2)).toContain('data-set-up="size"');
  expect(at(2)).toContain('name="instance_type"');
  expect(at(2)).toContain('data-slide="volume_size"');
  expect(at(2)).not.toContain("<dl");
  expect(acts(at(5))).toEqual(["plan"]);
  expect(at(4)).not.toContain('name="config_git"');
  const operation = { title: "Making remote-dev", since: 0, phases: [], doing: [], waiting: null, done: 0, of: 0 };
  const making = machine(view({ operation }, absent));
  expect(making).toContain("data-operation");
  expect(making).not.toContain("<form");
});

test("the system shows what runs, and how its last job ended", () => {
  const idle = machine(view({ system: system() }));
  const off = { at: 1_800_000_000, why: "as off_at says" };
  expect(machine(view({ system: system({ off }) }))).toContain(", as off_at says.");
  expect(idle).not.toContain("data-off");
  expect(acts(idle)).toEqual(["look-at-system", "rebuild"]);
  expect(idle).toContain("Runs generation 7, embedded 1a2b3c4d5e6f.");
  const last = { text: "remote-dev runs generation 7", at: 0, problem: null };
  expect(machine(view({ system: system({ last }) }))).toContain("data-last");
  const bad = machine(view({ system: system({ last: { ...last, problem } }) }));
  expect(bad).toContain('data-problem="denied"');
  expect(bad).toContain("AWS says no");
  expect(acts(bad)).toEqual(["look-at-system", "rebuild", "show-log"]);
});

test("a job is shown on the machine's page with a way to its log, in the place of the last one", () => {
  const last = { text: "remote-dev runs generation 7", at: 0, problem: null };
  const log = { number: 1 };
  const busy = machine(view({ system: system({ job: job({ by: "bob@other" }), last, log, rebuild: null }) }));
  expect(acts(busy)).toEqual(["show-log", "cancel-job", "look-at-system", "rebuild"]);
  expect(busy).toContain("fetching 3 of 17");
  expect(busy).toContain("asked for by bob@other");
  expect(busy).not.toContain("data-last");
});

test("activity is what goes on and what is left of it, or says that there is nothing", () => {
  expect(activity(view())).toContain("Nothing is going on.");
  const last = { text: "remote-dev runs generation 7", at: 0, problem };
  const log = { number: 1 };
  const failed = { title: "Starting", at: 0, problem, unopened: null };
  const interrupted = { title: "A resize was interrupted", sentence: "It goes on.", at: 0, is_planned: false };
  const html = activity(view({ failed, interrupted, system: system({ last, log }) }));
  const inLog = ["log", "log-previous", "log-next", "log-copy"];
  expect(acts(html)).toEqual(["dismiss", "dismiss", ...inLog]);
  for (const text of ["Starting did not work", "A resize was interrupted", "remote-dev runs generation 7", "&lt;img src=x"]) {
    expect(html).toContain(text);
  }
  expect(html).not.toContain("<img");
  expect(acts(activity(view({ system: system({ job: job(), log }) })))).toEqual(["cancel-job", ...inLog]);
});

test("a machine that is behind has the rebuild as what comes next", () => {
  const prominent = (html: string) => /<button[^>]*class="[^"]*\bgo\b[^"]*"[^>]*data-act="rebuild"/.test(html);
  const measured = (standing: "up_to_date" | "behind" | "edited_there", rebuild_next = false) => ({ standing, text: `It is ${standing}`, rebuild_next });
  const shown = (rest: Parameters<typeof system>[0]) => machine(view({ system: system(rest) }));
  const behind = shown({ standing: measured("behind", true) });
  expect(prominent(behind)).toBe(true);
  expect(behind).toContain("It is behind.");
  expect(prominent(shown({ standing: measured("behind", true), job: job(), rebuild: null }))).toBe(false);
  expect(prominent(shown({ standing: measured("up_to_date") }))).toBe(false);
  const edited = shown({ standing: measured("edited_there") });
  expect(prominent(edited)).toBe(false);
  expect(edited).toMatch(/<span[^>]*class="[^"]*amber[^"]*"[^>]*>It is edited_there\./);
});

test("each generation that does not run can be gone to, and asks below its row", () => {
  const some = view({ system: system({ generations: generations(3) }) });
  expect(acts(machine(some))).toEqual(["look-at-system", "rebuild", "go:2", "go:1"]);
  const asking = machine(some, "go:2");
  expect(acts(asking)).toEqual(["look-at-system", "rebuild", "go:2", "go:2-yes", "go:2-no", "go:1"]);
  expect(asking).toContain("Go to generation 2");
  expect(asking.indexOf("switches to generation 2")).toBeLessThan(asking.indexOf('data-generation="1"'));
});

test("a generation says what is so about it, and many are behind a disclosure", () => {
  const trial = generation(9, { flags: ["current", "booted", "trial"], go: null, revision: null, kernel: null, size: null });
  const html = machine(view({ system: system({ generations: [trial, generation(8, { flags: ["refused"], revision: cause })] }) }));
  expect(html).toContain("runs, booted, on trial");
  expect(html).toContain(">refused<");
  expect(html).toContain("3.2 GiB");
  expect(html).not.toContain("<img");
  expect(html).not.toContain("data-act=\"all-generations\"");
  const many = machine(view({ system: system({ generations: generations(12) }) }));
  expect(many.match(/data-generation/g)).toHaveLength(5);
  expect(many).toContain("All 12 generations");
});

test("the log is open until it is closed, with its lines as text", () => {
  const shown = (log: { number: number } | null, logOpen = true) => {
    const it = model();
    it.logOpen = logOpen;
    return render(Activity, { props: { model: it, view: view({ system: system({ log }) }) } }).body;
  };
  expect(acts(shown(null))).not.toContain("log");
  const closed = shown({ number: 1 }, false);
  expect(closed).toMatch(/data-act="log"[^>]*aria-expanded="false"/);
  expect(closed).not.toContain('role="log"');
  const open = shown({ number: 1 });
  expect(open).toMatch(/aria-expanded="true"/);
  expect(open).toMatch(/<div[^>]*role="log"[^>]*tabindex="0"/);
  expect(open).toContain("It has said nothing yet.");
  const lines = ["  building '/nix/store/x'", cause];
  const log = render(LogView, { props: { id: "log", lines, before: 1200 } }).body;
  expect(log).toContain("  building '/nix/store/x'");
  expect(log).toContain("1,200 lines before these");
  expect(log).not.toContain("<img");
  expect(render(LogView, { props: { id: "log", lines, before: 1200, why: "It is gone." } }).body).toContain("It is gone.");
});

test("a job that could not be cancelled says why, and goes on", () => {
  const html = machine(view({ system: system({ job: job({ problem }) }) }));
  expect(html).toContain("cancelling did not work");
  expect(html).toContain("AWS says no");
  expect(acts(html)).toContain("cancel-job");
});

test("text of others stays text", () => {
  const html = machine(view({ failed: { title: "Starting", at: 0, problem, unopened: null } }));
  expect(html).toContain("&lt;img src=x");
  expect(html).not.toContain("<img");
  expect(html).toContain('data-problem="denied"');
});

test("a terminal that does not open leaves the others to choose from", () => {
  const xterm = { terminal: "xterm", name: "xterm" } as const;
  const failed = { title: "Connecting to remote-dev", at: 0, problem };
  const html = machine(view({ failed: { ...failed, unopened: { session: "work", others: [xterm], opened: null } } }));
  expect(acts(html)).toEqual(["open-in:xterm", "dismiss"]);
  expect(html).toContain("Open in xterm");
  const opened = machine(view({ failed: { ...failed, unopened: { session: "work", others: [], opened: xterm } } }));
  expect(acts(opened)).toEqual(["always-in:xterm", "dismiss"]);
  expect(opened).toContain("It is open in xterm.");
});

test("a fixed setting has no input", () => {
  const html = settings(view({ settings: { ...view().settings, fields: fields("The machine stays.") } }));
  expect([...html.matchAll(/name="(\w+)"/g)].map((match) => match[1])).toEqual(["profile"]);
  expect(html).toContain("The machine stays.");
});

test("settings that do not hold have no form", () => {
  const html = settings(view({ settings: { ...view().settings, fields: [], problem } }));
  expect(html).not.toContain("<form");
  expect(html).toContain("AWS says no");
});

test("what is wrong with a decision stands at its field", () => {
  const html = machine(view({ set_up: setUp(3, [{ key: "user", text: "No such name." }]) }, { state: "absent" }));
  expect(html).toMatch(/name="user"[^>]*aria-invalid="true"/);
  expect(html).toContain("No such name.");
});

test("what is wrong with no field of the step is said below them, and else only there", () => {
  const at = (key: "user" | "zone") => {
    const refused = model();
    refused.refused = { do: "keep", is: null, why: "That does not hold." };
    const set_up = setUp(3, [{ key, text: "That does not hold." }]);
    const html = render(Machine, { props: { model: refused, view: view({ set_up }, { state: "absent" }) } }).body;
    return html.split("That does not hold.").length - 1;
  };
  expect([at("user"), at("zone")]).toEqual([1, 1]);
});

test("why another machine cannot be chosen is said once", () => {
  const at = (hindrance: string | null) => {
    const shown = model();
    const others = ["b", "c"].map((name) => ({ ...machineChoice(name), hindrance }));
    shown.view = view({ machines: [machineChoice("a", true), ...others] });
    return render(App, { props: { model: shown } }).body;
  };
  const html = at("A rebuild is under way.");
  expect(html.split("A rebuild is under way.")).toHaveLength(2);
  expect(html).toMatch(/<select[^>]*aria-describedby="hindrance"/);
  expect(at(null)).not.toContain("hindrance");
});

test("an error stands at its field", () => {
  const html = settings(view({ preview: preview({ errors: [{ key: "user", text: "no such name" }] }) }));
  expect(html).toMatch(/name="user"[^>]*aria-invalid="true"[^>]*aria-describedby="([\w-]+)"/);
  expect(html).toContain("no such name");
  expect(html).toContain('data-preview="errors"');
});

test("a plan says what it ends and loses, and its button asks", () => {
  const groups = [{ area: "machine" as const, steps: [step({ interrupts: true, loses_data: true, monthly: -800 })] }];
  const commands = { ...nothing, apply: offer("Apply", { asks: "Data is lost for ever." }) };
  const html = settings(view({ commands, preview: preview({ groups }) }));
  expect(html).toContain("ends what runs on it");
  expect(html).toContain("data is lost");
  expect(html).toContain("Apply…");
  expect(acts(html)).toEqual(["plan", "apply", "discard"]);
});

test("a plan that nobody may carry out now has no button for it", () => {
  expect(acts(settings(view({ preview: preview() })))).toEqual(["plan", "discard"]);
});

test("a session has the buttons that are on offer, and none without a name for commands", () => {
  const list = [session("work"), session("my name", { name: null, connect: null, end: null, note: "no such name" })];
  const html = sessionsPage(view({ sessions: sessions(list) }));
  expect(acts(html)).toEqual(["look-at-sessions", "end:work", "connect:work", "open-session"]);
  expect(html).toContain("no such name.");
});

test("the question whether to end a session stands below it", () => {
  const html = sessionsPage(view({ sessions: sessions([session("work"), session("other")]) }), "end:work");
  expect(html.match(/Everything that runs in it ends/g)).toHaveLength(1);
  expect(html.indexOf("Everything that runs in it ends")).toBeLessThan(html.indexOf(">other<"));
});

test("sessions that are not known say why, and a name of a session stays text", () => {
  const no = { code: "no_zellij", what: "The machine has no zellij", cause: null, hints: [] };
  const unknown = sessionsPage(view({ sessions: sessions([], { seen: null, problem: no }) }));
  expect(unknown).toContain("The machine has no zellij");
  expect(unknown).not.toContain("<table");
  expect(sessionsPage(view({ sessions: sessions([session("<img src=x>", { name: null })]) }))).not.toContain("<img");
  expect(sessionsPage(view({ sessions: sessions([]) }))).toContain("No sessions.");
});

test("the machine's page has its sessions at hand", () => {
  const html = machine(view({ sessions: sessions([session("work"), session("before", { live: false })]) }));
  expect(acts(html)).toEqual(["connect:work"]);
  expect(html).toContain('aria-label="Connect work"');
});

test("sessions that cannot be seen say so, and what to do", () => {
  const commands = { ...nothing, connect: offer("Connect", { note: "starts it first" }) };
  const html = sessionsPage(view({ commands }, { headline: "remote-dev is off" }));
  expect(html).toContain("remote-dev is off.");
  expect(acts(html)).toEqual(["connect"]);
});

test("a long list can be searched", () => {
  const list = Array.from({ length: 7 }, (_, i) => session(`s${i}`));
  expect(sessionsPage(view({ sessions: sessions(list) }))).toContain('data-search="sessions"');
  expect(sessionsPage(view({ sessions: sessions(list.slice(1)) }))).not.toContain("data-search");
});

test("a machine can be replaced from its facts, and what is beside it has a card", () => {
  const replace = offer("Replace", { note: "another instance" });
  const alone = machine(view({ commands: { ...nothing, replace } }));
  expect(acts(alone)).toEqual(["replace"]);
  expect(alone).toContain("Replace…");
  const kept = machine(view({ replacement: replacement() }));
  expect(acts(kept)).toEqual(["let_go", "go_back"]);
  expect(kept).toContain('data-replacement="kept"');
  expect(kept).toContain("The old instance costs $8.00 a month as it is.");
  const rest = { under_way: true, monthly: null, let_go: null, go_back: null };
  const begun = machine(
    view({ replacement: replacement({ ...rest, go_on: offer("Go on"), take_back: offer("Take it back") }) }),
  );
  expect(acts(begun)).toEqual(["go_on", "take_back"]);
  expect(begun).not.toContain("a month as it is");
  expect(machine(view({ replacement: replacement({ text: cause }) }))).not.toContain("<img");
});

test("a preview of the machine's place stands at its card, and not among the settings", () => {
  const groups = [{ area: "machine" as const, steps: [step({ interrupts: true, loses_data: true })] }];
  const asks = "i-1 ends, with its volume.";
  const rest = {
    commands: { ...nothing, apply: offer("Let it go", { asks }) },
    preview: preview({ of: { is: "let_go" }, groups }),
    replacement: replacement(),
  };
  const html = machine(view(rest));
  expect(acts(html)).toEqual(["let_go", "go_back", "apply", "discard"]);
  expect(html).toContain("The old instance, let go");
  const asking = machine(view(rest), "apply");
  expect(asking).toContain(asks);
  expect(asking).toContain("Let it go for ever");
  expect(asking).toMatch(/class="[^"]*\bloses\b[^"]*"/);
  expect(settings(view(rest))).not.toContain("data-preview");
  const back = { ...rest, preview: preview({ of: { is: "take_back" }, groups }) };
  expect(machine(view(back), "apply")).not.toMatch(/class="[^"]*\bloses\b[^"]*"/);
});

test("snapshots say when, why and what they cost, and lead to a preview", () => {
  const list = [
    snapshot("snap-2", { state: "being copied" }),
    snapshot("snap-1", { taken: null, state: "failed", failed: true, restore: null }),
  ];
  const schedule = "A snapshot every 6 hours; the newest 7 stay.";
  const note = "None can be restored as long as i-1 is kept.";
  const html = machine(view({ snapshots: snapshots(list, { schedule, note }) }));
  expect(acts(html)).toEqual(["look-at-snapshots", "take-snapshot", "delete:snap-2", "restore:snap-2", "delete:snap-1"]);
  for (const text of ["being copied", "not known when", "100 GiB", "by hand", schedule, note, "at most $10.00 a month", "it costs what has changed."]) {
    expect(html).toContain(text);
  }
  const empty = machine(view({ snapshots: snapshots([], { take: null }) }));
  expect(acts(empty)).toEqual(["look-at-snapshots"]);
  expect(empty).toContain("No snapshots yet.");
  const denied = machine(view({ snapshots: snapshots([], { seen: null, problem }) }));
  expect(denied).toContain("AWS says no");
  expect(denied).not.toContain("<img");
});

test("with no machine its snapshots are still there, below the form", () => {
  const html = machine(view({ snapshots: snapshots([snapshot("snap-1")], { take: null }) }, absent));
  expect(acts(html)).toEqual(["look-at-snapshots", "delete:snap-1", "restore:snap-1"]);
  const of = { is: "restore", snapshot: "snap-1" } as const;
  const groups = [{ area: "machine" as const, steps: [step()] }];
  const commands = { ...nothing, apply: offer("Make remote-dev") };
  const rest = { commands, snapshots: snapshots([snapshot("snap-1")], { take: null }), preview: preview({ of, groups }) };
  const shown = machine(view(rest, absent));
  expect(shown.match(/data-preview/g)).toHaveLength(1);
  expect(shown).toContain("A machine with the home of a snapshot");
});

test("impossible types are found by searching, and none can be chosen", () => {
  const list = [
    type("m8g.xlarge", { current: true }),
    type("m8g.2xlarge", { difference: 13105, monthly: 26210, vcpus: 8 }),
    type("m7i.xlarge", { hindrance: "Its processor is x86_64, the machine's is arm64" }),
  ];
  const html = machine(view({ set_up: setUp(2), types: types(list) }, absent));
  expect([...html.matchAll(/data-type="([\w.]+)"/g)].map((match) => match[1])).toEqual(["m8g.xlarge", "m8g.2xlarge"]);
  expect(html).toContain("+$131.05");
  expect(html).not.toContain('data-act="type:m8g.xlarge"');
});

test("what is about this computer is switched at once", () => {
  const { fields: app, ...rest } = ofApp();
  const html = settings(view({ settings: { ...view().settings, ...rest, fields: [...fields(), ...app] } }));
  expect(acts(html)).toContain("notice:rebuild");
  expect(html).toMatch(/data-act="notice:rebuild" checked/);
  expect(html).not.toMatch(/data-act="notice:state" checked/);
  expect(html).toContain('name="terminal"');
});

test("the doctor's page has one sentence on top, and each finding its one thing to do", () => {
  expect(doctorPage(view())).toContain("Nobody has looked yet.");
  expect(acts(doctorPage(view()))).toEqual(["examine"]);
  const looking = doctorPage(view({ doctor: doctor({ looking: true, look: null }) }));
  expect(looking).toContain("Looking at everything…");
  expect(looking).toContain('aria-disabled="true"');
  const pressing = [{ area: "machine" as const, mark: "failed" as const, what: "its agent is silent", todo: "holdfast restart" }];
  const areas = [{ area: "machine" as const, findings: [cause] }];
  const sick = doctor({ seen: 0, headline: "1 thing does not work.", failed: 1, well: 1, pressing, areas });
  const html = doctorPage(view({ doctor: sick }));
  expect(acts(html)).toEqual(["examine", "copy-findings"]);
  for (const text of ["1 thing does not work.", "1 does not work, 1 well.", "its agent is silent", "→ holdfast restart", "Does not work"]) {
    expect(html).toContain(text);
  }
  expect(html).not.toContain("<img");
});

test("what was changed is there by the runs of commands, folded and few at first", () => {
  const runs = [run("Stop", { result: "refused" }), run("Make", { deeds: [...run("Make").deeds, ...run("Make").deeds], machine: "dev/other/us-west-2" })];
  const html = activity(view({ history: history(runs) })).replaceAll(/<!--.*?-->/g, "");
  for (const text of ["Stop", "not done", "Make, 2 things", "dev/other/us-west-2", "123456789012/assumed-role/Dev/ada"]) {
    expect(html).toContain(text);
  }
  expect(html).not.toContain("i-0123456789abcdef0");
  expect(acts(html)).toEqual(["open-run", "open-run"]);
  const many = activity(view({ history: history(Array.from({ length: 30 }, (_, i) => run(`Stop ${i}`)), 7) }));
  expect(acts(many).filter((act) => act === "open-run")).toHaveLength(12);
  expect(many).toContain('data-search="history"');
  expect(many).toContain("All 30");
  expect(many).toContain("7 before these");
  expect(activity(view({ history: history([]) }))).toContain("changed nothing yet");
});

test("the log of a job before is fetched when somebody asks, or it is said where it is", () => {
  const of = (job: string, refused: string | null) => run("Rebuild", { log: { job, refused } });
  const asked = (rest: Partial<OlderLog>) => {
    const log = { job: "1-a", log: { number: 4 }, reading: false, note: null, problem: null, ...rest };
    return activity(view({ history: { ...history([of("1-a", null)]), log } }));
  };
  expect(activity(view({ history: history([of("1-a", null)]) }))).not.toContain("data-log-of");
  expect(asked({ reading: true })).toMatch(/role="status">Fetching it from the machine…/);
  expect(asked({})).toContain('role="log"');
  const none = asked({ note: "The machine has no line of it any more." });
  expect(none).toContain("no line of it any more");
  expect(none).not.toContain('role="log"');
  expect(asked({ problem })).toContain("AWS says no");
  const again = (rest: Partial<OlderLog>) => acts(asked(rest)).includes("show-log-of");
  expect([again({}), again({ problem }), again({ problem, reading: true })]).toEqual([false, true, false]);
});

test("who has to sign in has one button for it, and a way round the browser", () => {
  const at = (rest: Parameters<typeof signIn>[0]) => machine(view({ sign_in: signIn(rest) }, { state: "unknown", seen: null }));
  const needed = at({});
  expect(acts(needed)).toEqual(["sign-in", "sign-in-code", "other-profile"]);
  expect(needed).toContain("There are no valid AWS credentials.");
  expect(needed).not.toContain("<dl");
  const cancel = offer("Cancel");
  const browser = at({ stage: { at: "browser", page: "https://oidc.example/authorize?x" }, begin: null, cancel });
  expect(acts(browser)).toEqual(["copy-page", "sign-in-code", "cancel-sign-in"]);
  expect(browser).toContain("https://oidc.example/authorize?x");
  const code = at({ stage: { at: "code", page: "https://device.example", code: "WDJB-MJHT" }, begin: null, code: null, cancel });
  expect(acts(code)).toEqual(["copy-page", "copy-code", "cancel-sign-in"]);
  expect(code).toContain("WDJB-MJHT");
  const device = at({ stage: { at: "device" }, device: "mfa/ada", problem, begin: null, code: null, cancel });
  expect(acts(device)).toEqual(["say-code", "cancel-sign-in"]);
  expect(device).toMatch(/name="mfa"[^>]*aria-invalid="true"/);
  expect(device).toContain("AWS says no: &lt;img");
  expect(at({ problem })).toContain('data-problem="denied"');
  expect(at({ waits: "Changing remote-dev" })).toContain("Changing remote-dev goes on by itself");
});

test("the settings list the profiles, and one that is not in use can be put into the form", () => {
  const list = [profile("work"), profile("other", { state: "faulty", note: cause }), profile("odd", { usable: false })];
  const settingsOf = view().settings;
  const field = settingsOf.fields.map((field) => (field.key === "profile" ? { ...field, value: "work" } : field));
  const html = settings(view({ profiles: profiles(list), settings: { ...settingsOf, fields: field } }));
  expect(acts(html)).toEqual(["plan", "check-profiles", "use:other", "add-portal"]);
  expect(html).toContain("in use");
  expect(html).not.toContain("<img");
  expect(settings(view())).not.toContain("data-profiles");
  expect(settings(view({ profiles: profiles([]) }))).toContain("The AWS configuration has no profile.");
  const broken = settings(view({ profiles: profiles(list), settings: { ...settingsOf, fields: [], problem } }));
  expect(acts(broken)).toEqual(["check-profiles", "add-portal"]);
});

test("a portal is added step by step, and only what was read is written", () => {
  const at = (rest: Parameters<typeof portal>[0]) => settings(view({ profiles: profiles([profile("work")]), portal: portal(rest) }));
  const under = (rest: Parameters<typeof portal>[0]) => acts(at({ begin: null, code: null, cancel: offer("Cancel"), ...rest })).slice(3);
  expect(at({})).not.toContain("start_url");
  expect(acts(at({ problem })).slice(3)).toEqual(["portal-sign-in", "portal-code"]);
  expect(at({ problem })).not.toContain("<img");
  const browser = { at: "browser", page: "https://oidc.example/authorize?x" } as const;
  expect(under({ stage: { at: "signing_in", how: browser }, code: offer("Use a code instead") })).toEqual(["copy-page", "portal-code", "portal-cancel"]);
  const accounts = [
    { id: "111122223333", name: cause, roles: ["Admin", "Read"] },
    { id: "444455556666", name: "Empty", roles: [] },
  ];
  const choosing = { at: "choosing", accounts, listing: false } as const;
  const roles = ["role:111122223333:Admin", "role:111122223333:Read"];
  expect(under({ stage: { ...choosing, accounts: [...accounts] } }).filter((act) => act?.startsWith("role:"))).toEqual(roles);
  const chosen = { at: "naming", account: "111122223333", role: "Admin", name: "example/Admin", busy: false } as const;
  const back = offer("Another role");
  expect(under({ stage: { ...chosen, addition: null }, back })).toEqual(["portal-name", "portal-back", "portal-cancel"]);
  const addition = { file: "/home/ada/.aws/config", text: "[profile example/Admin]" };
  const reading = { stage: { ...chosen, addition }, back, write: offer("Write it") };
  expect(under(reading)).toEqual(["portal-name", "portal-write", "portal-back", "portal-cancel"]);
  expect(at(reading)).toContain("[profile example/Admin]");
  expect(at({ added: "example/Admin" })).toContain("The profile example/Admin is added.");
  // The sandbox has none.
  expect(at({ begin: null, code: null })).not.toContain("data-portal");
});

test("whoever has no profile finds the form of a portal in the set-up", () => {
  const setUpOf = (list: Parameters<typeof profiles>[0]) => machine(view({ set_up: setUp(0), profiles: profiles(list) }, { state: "absent" }));
  expect(setUpOf([])).toContain('name="start_url"');
  expect(setUpOf([profile("work")])).not.toContain('name="start_url"');
  expect(acts(setUpOf([profile("work")]))).toContain("add-portal");
});
