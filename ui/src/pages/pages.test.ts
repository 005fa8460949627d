import { render } from "svelte/server";
import { expect, test } from "vitest";

import type { View } from "../bindings";
import * as bridge from "../bridge";
import { fields, nothing, offer, preview, session, sessions, step, system, view } from "../fixture";
import { Model } from "../model.svelte";
import Machine from "./Machine.svelte";
import Settings from "./Settings.svelte";

const model = (asking: Model["asking"] = null) => {
  const model = new Model({ ...bridge, firstPage: () => "machine" });
  model.asking = asking;
  return model;
};
const machine = (view: View, asking?: Model["asking"]) =>
  render(Machine, { props: { model: model(asking), view } }).body;
const settings = (view: View) => render(Settings, { props: { model: model(), view } }).body;
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

test("the question whether to stop needs its offer", () => {
  expect(acts(machine(view(), "stop"))).toEqual([]);
  const commands = { ...nothing, stop: offer("Stop", { asks: "Everything ends." }) };
  const html = machine(view({ commands }), "stop");
  expect(acts(html)).toEqual(["stop", "stop-yes", "stop-no"]);
  expect(html).toContain("Everything ends.");
  expect(html).toContain("Stop remote-dev");
});

test("where there is no machine the form takes the place of the facts, until something is made", () => {
  const html = machine(view({}, absent));
  expect(html).toContain('name="instance_type"');
  expect(html).not.toContain("<dl");
  const operation = { title: "Making remote-dev", since: 0, phases: [], doing: [], waiting: null, done: 0, of: 0 };
  const making = machine(view({ operation }, absent));
  expect(making).toContain("data-operation");
  expect(making).not.toContain("<form");
});

test("the system shows what runs, and its job in the place of the last one", () => {
  const idle = machine(view({ system: system() }));
  expect(acts(idle)).toEqual(["look-at-system", "rebuild"]);
  expect(idle).toContain("Runs generation 7, embedded 1a2b3c4d5e6f.");
  const job = { title: "Rebuilding remote-dev", step: "fetching 3 of 17", since: 0, by: "bob@other", cancel: offer("Cancel") };
  const last = { text: "remote-dev runs generation 7", at: 0, problem: null };
  const busy = machine(view({ system: system({ job, last, rebuild: null }) }));
  expect(acts(busy)).toEqual(["look-at-system", "rebuild", "cancel-job"]);
  expect(busy).toContain("fetching 3 of 17");
  expect(busy).toContain("asked for by bob@other");
  expect(busy).not.toContain("data-last");
  const bad = machine(view({ system: system({ last: { ...last, problem } }) }));
  expect(bad).toContain('data-problem="denied"');
  expect(bad).not.toContain("<img");
});

test("text of others stays text", () => {
  const html = machine(view({ failed: { title: "Starting", at: 0, problem } }));
  expect(html).toContain("&lt;img src=x");
  expect(html).not.toContain("<img");
  expect(html).toContain('data-problem="denied"');
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
  const html = machine(view({ sessions: sessions(list) }));
  expect(acts(html)).toEqual(["look-at-sessions", "end:work", "connect:work", "open-session"]);
  expect(html).toContain("no such name.");
});

test("the question whether to end a session stands below it", () => {
  const html = machine(view({ sessions: sessions([session("work"), session("other")]) }), "end:work");
  expect(html.match(/Everything that runs in it ends/g)).toHaveLength(1);
  expect(html.indexOf("Everything that runs in it ends")).toBeLessThan(html.indexOf(">other<"));
});

test("sessions that are not known say why, and a name of a session stays text", () => {
  const no = { code: "no_zellij", what: "The machine has no zellij", cause: null, hints: [] };
  const unknown = machine(view({ sessions: sessions([], { seen: null, problem: no }) }));
  expect(unknown).toContain("The machine has no zellij.");
  expect(unknown).not.toContain("<table");
  expect(machine(view({ sessions: sessions([session("<img src=x>", { name: null })]) }))).not.toContain("<img");
  expect(machine(view({ sessions: sessions([]) }))).toContain("No sessions.");
});
