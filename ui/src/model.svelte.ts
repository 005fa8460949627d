import type { Command, Field, Key, LogChunk, Offer, Page, Proposal, View } from "./bindings";
import type * as bridge from "./bridge";
import { draft, ended, goneTo, ofSettings, places, stands, typedFor, type Place, type Question, type Typed } from "./view";
import { sentence } from "./words";

/** How long a refusal stays, in milliseconds. */
const REFUSAL = 8000;

/** What the window itself keeps. It decides nothing. */
export class Model {
  /** The last view; `null` before the first. */
  view = $state.raw<View | null>(null);
  /** Why there is no first view. */
  silent = $state<string | null>(null);
  page = $state<Place>("machine");
  /** How often somebody was led to a page. */
  led = $state(0);
  /** A new session is to be opened. */
  fresh = $state(false);
  /** The question that is open. */
  asking = $state<Question | null>(null);
  typed = $state.raw<Typed>({});
  /** Nobody has closed the log. */
  logOpen = $state(true);
  /** The instance beside the machine is to be shown. */
  sought = $state(false);
  /** The command that was refused last, what it proposed, and why. */
  refused = $state.raw<{ do: Command["do"]; is: Proposal["is"] | null; why: string } | null>(null);

  readonly #bridge: typeof bridge;
  readonly #pending = new Set<Command["do"]>();
  #planned = false;
  /** The page that the app was told of last. */
  #told: Place | null = null;
  #forget: ReturnType<typeof setTimeout> | undefined;

  constructor(through: typeof bridge) {
    this.#bridge = through;
    this.#lead(through.firstPage());
  }

  /** Begins to follow the app. */
  async start(): Promise<void> {
    try {
      await this.#bridge.onPage((page) => this.#lead(page));
      await this.#bridge.onView((view) => this.show(view));
      const view = await this.#bridge.current();
      // One that came meanwhile is newer.
      if (!this.view) this.show(view);
    } catch (error) {
      this.silent = String(error);
    }
  }

  show(view: View): void {
    if (!this.view) this.typed = typedFor(view);
    // What was typed is about the machine of before.
    else if (this.view.machine.name !== view.machine.name) this.#forgetTyped();
    const another = view.preview?.number !== this.view?.preview?.number;
    if (this.asking && (!stands(this.asking, view) || (this.asking === "apply" && another))) {
      this.asking = null;
    }
    this.sought &&= view.replacement !== null;
    const first = !this.view;
    this.view = view;
    if (first) this.#tellPage();
  }

  /** The app leads to a page. To that of the sessions it leads whoever wants a new one. */
  #lead(page: Page | Place): void {
    this.go(page);
    this.fresh = page === "sessions";
  }

  go(page: Page | Place): void {
    this.led++;
    this.fresh = false;
    this.page = places.find((place) => place === page) ?? "machine";
    this.sought = page === "replacement";
    const asks = page === "stop" || page === "restart" ? page : null;
    this.asking = asks && (!this.view || stands(asks, this.view)) ? asks : null;
    this.#tellPage();
  }

  /** Asks for a command; whether it is accepted. */
  async act(command: Command): Promise<boolean> {
    // A button pressed twice is meant once; what was typed last, though, must not keep an old preview, and the app has to know which page came last.
    if (this.#pending.has(command.do) && !["discard", "show_page"].includes(command.do)) return false;
    this.#pending.add(command.do);
    const refusal = await this.#bridge.act(command);
    this.#pending.delete(command.do);
    const is = command.do === "preview" ? command.of.is : null;
    this.refused = refusal && { do: command.do, is, why: sentence(refusal.why) };
    clearTimeout(this.#forget);
    this.#forget = setTimeout(() => (this.refused = null), REFUSAL);
    return refusal === null;
  }

  /** The user types. A preview of what was typed before is put aside, and what was wrong with that. */
  type(key: Key, text: string): void {
    this.typed = { ...this.typed, [key]: text };
    if (this.#planned || ofSettings(this.view?.preview ?? null) || this.view?.set_up?.errors.length) void this.act({ do: "discard" });
    this.#planned = false;
  }

  /** Keeps settings that need no plan; whether they hold. What is kept is not typed any more. */
  async keep(fields: Field[]): Promise<boolean> {
    if (!(await this.act({ do: "keep", draft: draft(fields, this.typed) }))) return false;
    const kept = fields.map(({ key }) => key as string);
    this.typed = Object.fromEntries(Object.entries(this.typed).filter(([key]) => !kept.includes(key)));
    return true;
  }

  async plan(): Promise<void> {
    const fields = this.view?.settings.fields ?? [];
    const ofMachine = fields.filter(({ topic }) => topic !== "app");
    await this.propose({ is: "settings", draft: draft(ofMachine, this.typed) });
  }

  /** Asks what something would do. */
  async propose(of: Proposal): Promise<void> {
    this.#planned = of.is === "settings";
    await this.act({ do: "preview", of });
  }

  /** A button of something that may ask first; pressed again, it takes its question back. */
  press(what: Question, offer: Offer): void {
    if (!offer.asks) this.carryOut(what);
    else this.asking = this.asking === what ? null : what;
  }

  /** Whatever had to be asked is answered. */
  carryOut(what: Question): void {
    this.asking = null;
    const [session, generation] = [ended(what), goneTo(what)];
    if (session !== null) void this.act({ do: "end_session", name: session });
    else if (generation !== null) void this.act({ do: "go_to", generation });
    else if (what === "stop" || what === "restart") void this.act({ do: what });
    else void this.#apply();
  }

  async #apply(): Promise<void> {
    const preview = this.view?.preview;
    if (!preview || !(await this.act({ do: "apply", number: preview.number }))) return;
    if (ofSettings(preview)) this.#forgetTyped();
    this.go("machine");
  }

  /** Some things are looked at only while their page is open. */
  #tellPage(): void {
    if (!this.view || this.#told === this.page) return;
    this.#told = this.page;
    void this.act({ do: "show_page", page: this.page });
  }

  /** Shows the log of the job, or hides it. */
  toggleLog(): void {
    if (!this.view?.system?.log) return;
    this.logOpen = this.page !== "activity" || !this.logOpen;
    if (this.page !== "activity") this.go("activity");
  }

  /** Lines of a log from a number on, as soon as there are any. */
  pull(log: number, from: number): Promise<LogChunk> {
    return this.#bridge.log(log, from);
  }

  /** Leaves what is open: a question, or else the preview and what was typed for it. */
  leave(): void {
    if (this.asking) {
      this.asking = null;
    } else if (this.view?.preview) {
      // Whoever sets the machine up goes back to what he has typed.
      if (ofSettings(this.view.preview) && !this.view.set_up) this.#forgetTyped();
      void this.act({ do: "discard" });
    }
  }

  #forgetTyped(): void {
    this.typed = {};
    this.#planned = false;
  }
}
