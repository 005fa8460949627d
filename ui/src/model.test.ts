import { beforeEach, expect, test, vi } from "vitest";

import type { Command, Page, Refusal, View } from "./bindings";
import { generations, nothing, offer, preview, replacement, session, sessions, setUp, system, view } from "./fixture";
import { Model } from "./model.svelte";
import type { Place } from "./view";

vi.useFakeTimers();

/** What was asked for, but for the pages that were told of. */
let sent: Command[];
let told: string[];
let answer: Refusal | null;
let events: { view: (view: View) => void; page: (page: Page) => void };

beforeEach(() => {
  [sent, told, answer] = [[], [], null];
});

function model(first: Page | Place = "machine", current: () => Promise<View> = async () => view()): Model {
  events = { view: () => {}, page: () => {} };
  return new Model({
    current,
    act: async (command) => {
      if (command.do === "show_page") told.push(command.page);
      else sent.push(command);
      return answer;
    },
    log: async () => ({ first: 0, lines: [] }),
    onView: async (callback) => void (events.view = callback),
    onPage: async (callback) => void (events.page = callback),
    firstPage: () => first,
  });
}

const stoppable = { ...nothing, stop: offer("Stop", { asks: "Everything ends." }) };

test("a view that comes before the answer is newer than it", async () => {
  const newer = view({}, { headline: "remote-dev is stopping" });
  const it = model("machine", async () => {
    events.view(newer);
    return view();
  });
  await it.start();
  expect(it.view).toBe(newer);
});

test("the app is told which page is open, once it is there and whenever it changes", async () => {
  const it = model("activity");
  it.go("doctor");
  expect(told).toEqual([]);
  await it.start();
  it.go("doctor");
  it.go("machine");
  it.go("stop");
  it.go("doctor");
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toEqual(["doctor", "machine", "doctor"]);
});

test("an app that does not answer is said", async () => {
  const it = model("machine", () => Promise.reject(new Error("gone")));
  await it.start();
  expect(it.silent).toContain("gone");
});

test("the question of the stop page waits for the first view, and goes with its offer for good", async () => {
  const it = model("stop", async () => view({ commands: stoppable }));
  await it.start();
  expect([it.page, it.asking]).toEqual(["machine", "stop"]);
  it.show(view());
  it.show(view({ commands: stoppable }));
  expect(it.asking).toBeNull();
  events.page("stop");
  expect(it.asking).toBe("stop");
  events.page("settings");
  expect([it.page, it.asking]).toEqual(["settings", null]);
});

test("the stop page asks nothing when there is nothing to stop", async () => {
  const it = model("stop");
  await it.start();
  expect(it.asking).toBeNull();
});

test("what is typed after a plan was asked for puts the preview aside, even before it is shown", async () => {
  const it = model();
  await it.start();
  it.type("user", "me");
  expect(sent).toEqual([]);
  await it.plan();
  it.type("user", "you");
  it.type("user", "yous");
  expect(sent.map((command) => command.do)).toEqual(["preview", "discard"]);
  it.show(view({ preview: preview() }));
  it.type("user", "y");
  expect(sent.at(-1)).toEqual({ do: "discard" });
});

test("what is applied is the preview that was read, and then nothing is typed any more", async () => {
  const it = model("settings");
  await it.start();
  it.type("user", "me");
  it.show(view({ preview: preview({ number: 7 }) }));
  answer = { why: "This preview cannot be applied" };
  it.press("apply", offer("Apply"));
  await vi.advanceTimersByTimeAsync(0);
  expect([it.page, it.typed]).toEqual(["settings", { user: "me" }]);
  answer = null;
  it.press("apply", offer("Apply"));
  await vi.advanceTimersByTimeAsync(0);
  expect(sent).toEqual([{ do: "apply", number: 7 }, { do: "apply", number: 7 }]);
  expect([it.page, it.typed]).toEqual(["machine", {}]);
});

test("a button that asks does nothing until it is answered, and takes its question back", async () => {
  const it = model();
  await it.start();
  const stop = offer("Stop", { asks: "Everything ends." });
  it.press("stop", stop);
  expect([it.asking, sent]).toEqual(["stop", []]);
  it.press("stop", stop);
  expect([it.asking, sent]).toEqual([null, []]);
  it.press("stop", stop);
  it.carryOut("stop");
  expect([it.asking, sent]).toEqual([null, [{ do: "stop" }]]);
});

test("a question about one preview is not asked about another", async () => {
  const it = model();
  await it.start();
  const commands = { ...nothing, apply: offer("Apply", { asks: "Everything ends." }) };
  it.show(view({ commands, preview: preview({ number: 1 }) }));
  it.asking = "apply";
  it.show(view({ commands, preview: preview({ number: 1 }) }));
  expect(it.asking).toBe("apply");
  it.show(view({ commands, preview: preview({ number: 2 }) }));
  expect(it.asking).toBeNull();
});

test("leaving closes the question first, then the preview with what was typed", async () => {
  const it = model();
  await it.start();
  it.show(view({ commands: stoppable, preview: preview() }));
  it.typed = { user: "me" };
  it.asking = "stop";
  it.leave();
  expect([it.asking, sent]).toEqual([null, []]);
  it.leave();
  expect([it.typed, sent]).toEqual([{}, [{ do: "discard" }]]);
});

test("a button pressed twice is meant once", async () => {
  const it = model();
  await Promise.all([it.act({ do: "start" }), it.act({ do: "start" })]);
  expect(sent).toEqual([{ do: "start" }]);
});

test("a refusal is said for a while", async () => {
  const it = model();
  answer = { why: "Starting remote-dev is under way" };
  await it.act({ do: "start" });
  expect(it.refused).toEqual({ do: "start", is: null, why: "Starting remote-dev is under way." });
  vi.advanceTimersByTime(10_000);
  expect(it.refused).toBeNull();
});

test("a session is ended once that is answered, and the question goes with the session", async () => {
  const it = model();
  await it.start();
  const work = session("work");
  it.show(view({ sessions: sessions([work]) }));
  it.press("end:work", work.end ?? offer("End"));
  expect([it.asking, sent]).toEqual(["end:work", []]);
  it.show(view({ sessions: sessions([]) }));
  expect(it.asking).toBeNull();
  it.asking = "end:work";
  it.carryOut("end:work");
  expect([it.asking, sent]).toEqual([null, [{ do: "end_session", name: "work" }]]);
});

test("a generation is gone to once that is answered, and the question goes with its offer", async () => {
  const it = model();
  await it.start();
  const some = view({ system: system({ generations: generations(2) }) });
  it.show(some);
  it.press("go:1", some.system?.generations[1]?.go ?? offer("Go back"));
  expect([it.asking, sent]).toEqual(["go:1", []]);
  it.show(view({ system: system() }));
  expect(it.asking).toBeNull();
  it.asking = "go:1";
  it.carryOut("go:1");
  expect([it.asking, sent]).toEqual([null, [{ do: "go_to", generation: 1 }]]);
});

test("the log is open until somebody closes it, and its key leads to it", async () => {
  const it = model();
  await it.start();
  it.toggleLog();
  expect([it.page, it.logOpen]).toEqual(["machine", true]);
  it.show(view({ system: system({ log: { number: 1 } }) }));
  it.toggleLog();
  expect([it.page, it.logOpen]).toEqual(["activity", true]);
  it.toggleLog();
  expect(it.logOpen).toBe(false);
  it.go("machine");
  it.go("activity");
  expect(it.logOpen).toBe(false);
  it.go("machine");
  it.toggleLog();
  expect([it.page, it.logOpen, sent]).toEqual(["activity", true, []]);
});

test("each page can be gone to", () => {
  const it = model("sessions");
  expect(it.page).toBe("sessions");
  it.go("activity");
  expect(it.page).toBe("activity");
});

test("whoever sets the machine up keeps what was typed when the plan is put aside", async () => {
  const it = model();
  await it.start();
  it.show(view({ set_up: setUp(4), preview: preview() }));
  it.typed = { user: "me" };
  it.leave();
  expect([it.typed, sent]).toEqual([{ user: "me" }, [{ do: "discard" }]]);
});

test("what is wrong with a decision ends when somebody types", async () => {
  const it = model();
  await it.start();
  it.show(view({ set_up: setUp(1, [{ key: "region", text: "No such region." }]) }));
  it.type("region", "us-west-2");
  expect(sent).toEqual([{ do: "discard" }]);
});

test("what was typed stays when the preview is of something else", async () => {
  const it = model();
  await it.start();
  it.typed = { user: "me" };
  await it.propose({ is: "restore", snapshot: "snap-1" });
  it.show(view({ preview: preview({ number: 3, of: { is: "restore", snapshot: "snap-1" } }) }));
  it.type("user", "you");
  expect(sent).toEqual([{ do: "preview", of: { is: "restore", snapshot: "snap-1" } }]);
  it.leave();
  expect([it.typed, sent.at(-1)]).toEqual([{ user: "you" }, { do: "discard" }]);
  it.press("apply", offer("Restore"));
  await vi.advanceTimersByTimeAsync(0);
  expect([it.typed, sent.at(-1)]).toEqual([{ user: "you" }, { do: "apply", number: 3 }]);
});

test("a refused preview says what was proposed", async () => {
  const it = model();
  await it.start();
  answer = { why: "No instance is kept" };
  await it.propose({ is: "let_go" });
  expect(it.refused).toEqual({ do: "preview", is: "let_go", why: "No instance is kept." });
});

test("who comes for the instance beside the machine is led to it, once it is there", async () => {
  const it = model("replacement", async () => view({ replacement: replacement() }));
  expect([it.page, it.sought]).toEqual(["machine", true]);
  await it.start();
  expect(it.sought).toBe(true);
  it.show(view());
  expect(it.sought).toBe(false);
  events.page("replacement");
  events.page("settings");
  expect([it.page, it.sought]).toEqual(["settings", false]);
});
