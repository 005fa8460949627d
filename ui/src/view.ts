// What the pages derive from a view. Pure.

import type {
  Doctor,
  Draft,
  Field,
  Generation,
  Key,
  Mark,
  Offer,
  Portal,
  Preview,
  Profile,
  Session,
  Sessions,
  SignIn,
  SigningIn,
  Snapshots,
  SoFar,
  State,
  StepView,
  View,
} from "./bindings";
import { money, since } from "./format";
import { sentence, words } from "./words";

/** The shape of the state mark: the tray icon has the same. */
export type Shape = "ring" | "arc" | "disc" | "dashed";

export function shape(state: State, atWork: boolean): Shape {
  if (atWork) return "arc";
  switch (state) {
    case "absent":
    case "off":
      return "ring";
    case "starting":
    case "stopping":
    case "ending":
      return "arc";
    case "on":
      return "disc";
    case "unknown":
      return "dashed";
  }
}

/** The pages of the window, in their order. */
export const places = ["machine", "sessions", "activity", "settings", "doctor"] as const;
export type Place = (typeof places)[number];

interface Badge {
  text: string;
  /** Somebody is needed. */
  amber: boolean;
  /** It is short enough for a narrow window. */
  short: boolean;
}

/** What the navigation says beside a page. */
export function badge(view: View, place: Place): Badge | null {
  const needsYou = { text: words.needsYou, amber: true, short: false };
  const atWork = { text: words.atWork, amber: false, short: false };
  switch (place) {
    case "machine":
      if (view.sign_in && !view.sign_in.stage) return needsYou;
      return view.replacement?.under_way && !view.operation ? needsYou : null;
    case "sessions": {
      const live = view.sessions?.list.filter((session) => session.live).length;
      return live ? { text: String(live), amber: false, short: true } : null;
    }
    case "activity":
      if (view.failed || view.interrupted) return needsYou;
      return view.operation || view.system?.job ? atWork : null;
    case "settings":
      return view.settings.problem ? needsYou : null;
    case "doctor":
      return view.doctor.failed > 0 ? { text: String(view.doctor.failed), amber: true, short: true } : null;
  }
}

/** The worst that the doctor has found. */
export function worst({ failed, warnings }: Doctor): Mark {
  if (failed > 0) return "failed";
  return warnings > 0 ? "warning" : "ok";
}

/** What the doctor has found, to be sent to somebody. */
export function asText({ headline, pressing, areas }: Doctor): string {
  const marks = { ok: "ok     ", warning: "warning", failed: "failed " } satisfies Record<Mark, string>;
  const first = pressing.flatMap(({ area, mark, what, todo }) => [
    `  ${marks[mark]}  ${words.doctorAreas[area]}: ${what}`,
    ...(todo === null ? [] : [`           → ${todo}`]),
  ]);
  const well = areas.flatMap(({ area, findings }) => [
    "",
    words.doctorAreas[area],
    ...findings.map((what) => `  ${marks.ok}  ${what}`),
  ]);
  const head = first.length > 0 ? ["", words.doctorPressing, ...first] : [];
  return [headline ?? "", ...head, ...well, ""].join("\n");
}

/** Whether a profile gives credentials, and what there is to know about that. */
export function validity({ state, until, note }: Profile, now: number): { text: string; note: string | null } {
  switch (state) {
    case "valid":
      if (until === null) return { text: words.valid, note: null };
      return { text: until > now ? words.validUntil(since(until, now)) : words.validRenewed, note: null };
    case "sign_in":
      return { text: words.signInNeeded, note: null };
    case "unknown":
      return { text: words.notAsked, note };
    case "refused":
      return { text: words.refusedCredentials, note };
    case "faulty":
      return { text: words.faulty, note };
  }
}

/** The sign-in as a screen reader hears it. */
export function saidOfSignIn(signIn: SignIn | null): string {
  if (!signIn) return "";
  const { stage, problem, device } = signIn;
  if (stage?.at === "device") return sentence(words.mfaCode(device ?? ""));
  if (stage) return saidOfStage(stage);
  return problem ? `${words.signInNot}: ${sentence(problem.what)}` : sentence(words.signIn);
}

function saidOfStage({ at }: SigningIn): string {
  const said = { begins: words.signInBegins, browser: words.signInBrowser, code: words.signInCode, device: "", checking: words.signInChecking };
  return said[at];
}

/** The adding of a portal as a screen reader hears it. */
export function saidOfPortal({ stage, problem, added }: Portal): string {
  if (problem) return sentence(problem.what);
  switch (stage?.at) {
    case "signing_in":
      return saidOfStage(stage.how);
    case "choosing":
      return stage.listing ? words.portalListing : words.portalChoose;
    case "naming":
      return words.portalName;
    case undefined:
      return added === null ? "" : words.portalAdded(added);
  }
}

/** The doctor's answer as a screen reader hears it. */
export function saidOfDoctor({ looking, headline }: Doctor): string {
  return looking ? "" : (headline ?? "");
}

/** The sessions that can be opened from the machine's page: those that live, as many as one line holds. */
export function atHand(sessions: Sessions | null): Session[] {
  return sessions?.list.filter(({ live, connect }) => live && connect).slice(0, 5) ?? [];
}

/** Whether nothing goes on, and nothing that went on needs somebody. */
export function isQuiet({ operation, failed, interrupted, system }: View): boolean {
  return !operation && !failed && !interrupted && !system?.job;
}

/** A list that is longer than this can be searched. */
export const MANY = 6;

/** Those of a list whose text has all the words that are sought. */
export function found<T>(list: T[], sought: string, text: (one: T) => string): T[] {
  const parts = sought.toLowerCase().split(/\s+/).filter(Boolean);
  return list.filter((one) => parts.every((part) => text(one).toLowerCase().includes(part)));
}

/** The state as a screen reader hears it, each time that it changes. */
export function said(view: View): string {
  const state = sentence(view.operation?.title ?? view.machine.headline);
  if (!view.failed) return state;
  return `${words.didNotWork(view.failed.title)}: ${sentence(view.failed.problem.what)} ${state}`;
}

/** The preview as a screen reader hears it. */
export function saidOf(preview: Preview | null): string {
  switch (preview && stage(preview)) {
    case null:
      return "";
    case "looking":
      return words.looking;
    case "errors":
      return words.errors(preview?.errors.length ?? 0);
    case "problem":
      return sentence(words.noPlan);
    case "ready":
      return preview && changesNothing(preview) ? nothingToDo(preview) : words.ready(preview ? steps(preview) : 0);
  }
}

/** What the machine has cost this month: an amount where that is known, and else its bounds. */
export function amount(soFar: Pick<SoFar, "least" | "most"> | null): string {
  if (!soFar) return words.unknown;
  const [least, most] = [money(soFar.least), money(soFar.most)];
  if (least === most) return most;
  return soFar.least === 0 ? words.atMost(most) : words.between(least, most);
}

/** What all snapshots cost, as a sentence. */
export function costOf({ cost, list }: Pick<Snapshots, "cost" | "list">): string {
  if (!cost) return "";
  const { least, most } = cost;
  return least === null || most === null ? words.allCostUnknown : words.allCost(list.length, amount({ least, most }));
}

/** The snapshots as a screen reader hears them. */
export function saidOfSnapshots(snapshots: Snapshots | null): string {
  if (!snapshots || snapshots.looking) return "";
  if (snapshots.problem) return sentence(snapshots.problem.what);
  return snapshots.seen === null ? "" : words.snapshotCount(snapshots.list.length);
}

/** The sessions as a screen reader hears them. */
export function saidOfSessions(sessions: Sessions | null): string {
  if (!sessions || sessions.looking) return "";
  if (sessions.problem) return sentence(sessions.problem.what);
  return sessions.seen === null ? "" : words.sessionCount(sessions.list.length);
}

export type Stage = "looking" | "errors" | "problem" | "ready";

export function stage(preview: Preview): Stage {
  if (preview.looking) return "looking";
  if (preview.errors.length > 0) return "errors";
  return preview.problem ? "problem" : "ready";
}

export function steps(preview: Preview): number {
  return preview.groups.reduce((sum, group) => sum + group.steps.length, 0);
}

export function changesNothing(preview: Preview): boolean {
  return preview.changes.length === 0 && preview.groups.length === 0;
}

/** What a preview says that shows nothing to do. */
export function nothingToDo({ of }: Preview): string {
  return of.is === "settings" ? words.nothing : words.nothingToDo;
}

/** The preview of these settings, if it is one of settings. */
export function ofSettings(preview: Preview | null): Preview | null {
  return preview?.of.is === "settings" ? preview : null;
}

/** The preview of snapshots, if it is one. */
export function ofSnapshots(preview: Preview | null): Preview | null {
  return preview?.of.is === "restore" || preview?.of.is === "delete_snapshot" ? preview : null;
}

/** The preview of what is about the machine's place, if it is one. */
export function ofPlace(preview: Preview | null): Preview | null {
  return ofSettings(preview) || ofSnapshots(preview) ? null : preview;
}

/** Whether something is lost that somebody may want: what is on an instance that never was the machine is on the machine. */
export function loses({ of, groups }: Preview): boolean {
  return of.is !== "take_back" && groups.some((group) => group.steps.some((step) => step.loses_data));
}

/** The reason of each step, but once only where successive steps share it. */
export function reasons(steps: StepView[]): string[] {
  return steps.map((step, i) => (step.why === steps[i - 1]?.why ? "" : step.why));
}

/** What somebody typed and has not applied. */
export type Typed = Partial<Record<Key, string>>;

/** The value that the form shows. */
export function value(field: Field, typed: Typed): string {
  return field.fixed === null ? (typed[field.key] ?? field.value) : field.value;
}

/** The settings as the form shows them. */
export function draft(fields: Field[], typed: Typed): Draft {
  return Object.fromEntries(fields.map((field) => [field.key, value(field, typed)]));
}

/** What was typed for the preview of this view. */
export function typedFor({ preview, settings }: View): Typed {
  if (preview?.of.is !== "settings") return {};
  const { draft } = preview.of;
  const typed = settings.fields.map((field) => [field.key, draft[field.key] ?? field.value, field.value] as const);
  return Object.fromEntries(typed.filter(([, typed, value]) => typed !== value));
}

/** A question that is asked before something is done. */
export type Question = "stop" | "restart" | "apply" | `end:${string}` | `go:${number}`;

/** Whether a question still has its point. */
export function stands(question: Question, view: View): boolean {
  return asked(question, view)?.asks != null;
}

function asked(question: Question, { commands, sessions, system }: View): Offer | null | undefined {
  if (question === "stop" || question === "restart" || question === "apply") return commands[question];
  const goal = goneTo(question);
  if (goal !== null) return system?.generations.find(({ number }) => number === goal)?.go;
  return sessions?.list.find(({ name }) => name === ended(question))?.end;
}

/** The session that a question is about, if it is about the end of one. */
export function ended(question: Question): string | null {
  return question.startsWith("end:") ? question.slice("end:".length) : null;
}

/** The generation that a question is about, if it is about going to one. */
export function goneTo(question: Question): number | null {
  return question.startsWith("go:") ? Number(question.slice("go:".length)) : null;
}

/** The key that shows the log, or hides it. */
export const LOG_KEY = "l";

/** The key that leads to the search of a list or a log. */
export const SEARCH_KEY = "/";

/** Generations that are shown without being asked for. */
const FEW = 5;

/** The newest generations, and the one that runs. */
export function few(generations: Generation[]): Generation[] {
  return generations.filter(({ flags }, i) => i < FEW || flags.includes("current"));
}
