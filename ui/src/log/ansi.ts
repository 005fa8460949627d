// What a terminal makes of a line, as spans of text that can do no harm. Pure.
//
// Source: ECMA-48, 5.4 (control sequences), 8.3.117 (SGR); ITU-T T.416, 13.1.8 (38 and 48)

/** Colours that a theme can show: what is asked for becomes the nearest, so that all of it can be read in light and dark. */
const hues = ["red", "yellow", "green", "cyan", "blue", "magenta"] as const;
export type Ink = (typeof hues)[number] | "faint";

export interface Span {
  text: string;
  /** The classes that it is shown with. */
  look: string;
}

interface Style {
  ink: Ink | null;
  ground: Ink | null;
  bold: boolean;
  italic: boolean;
  under: boolean;
  inverse: boolean;
}

const plainStyle: Style = { ink: null, ground: null, bold: false, italic: false, under: false, inverse: false };

/** A control sequence, a control string, or another escape sequence. One without its end is none. */
const sequences = /\x1b(?:\[([0-?]*)([ -/]*)([@-~])|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])/g;

/** What acts on a screen or turns the direction of text. A tab is as harmless as a blank. */
const acting = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** What a terminal would not print as it is. */
const special = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

/** A line in spans. Each begins anew: a colour that is not taken back would run through all that follows. */
export function spans(line: string): Span[] {
  const text = withoutReturn(line);
  if (!special.test(text)) return text === "" ? [] : [{ text, look: "" }];
  const all: Span[] = [];
  let style = plainStyle;
  let from = 0;
  const add = (text: string) => text !== "" && all.push({ text: harmless(text), look: look(style) });
  for (const found of text.matchAll(sequences)) {
    const [whole, parameters, between, last] = found;
    add(text.slice(from, found.index));
    from = found.index + whole.length;
    if (last === "m" && between === "" && parameters !== undefined) style = turned(style, parameters);
  }
  add(text.slice(from));
  return all;
}

/** The text of a line as it is shown. */
export function plain(line: string): string {
  const text = withoutReturn(line);
  return special.test(text) ? harmless(text.replace(sequences, "")) : text;
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

function harmless(text: string): string {
  return text.replace(acting, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : "\ufffd";
  });
}

function look({ ink, ground, bold, italic, under, inverse }: Style): string {
  const on = inverse ? (ink ?? "faint") : ground;
  return [bold && "bold", italic && "italic", under && "under", on ? `on-${on}` : ink].filter(Boolean).join(" ");
}

function turned(style: Style, parameters: string): Style {
  // Sequences of others' own end in m, too.
  if (/[<=>?]/.test(parameters)) return style;
  let next = style;
  const codes = parameters.split(";").map((code) => code.split(":").map(Number));
  for (let i = 0; i < codes.length; i++) {
    const [code = 0, ...inner] = codes[i] ?? [];
    if (code === 38 || code === 48) {
      const [ink, taken] = inner.length > 0 ? [extended(inner, true), 0] : following(codes.slice(i + 1));
      next = { ...next, [code === 38 ? "ink" : "ground"]: ink };
      i += taken;
    } else {
      next = simple(next, code, inner[0]);
    }
  }
  return next;
}

function simple(style: Style, code: number, inner: number | undefined): Style {
  switch (code) {
    case 0:
      return plainStyle;
    case 1:
      return { ...style, bold: true };
    case 2:
      return { ...style, ink: style.ink ?? "faint" };
    case 3:
      return { ...style, italic: true };
    case 4:
      return { ...style, under: inner !== 0 };
    case 7:
      return { ...style, inverse: true };
    case 21:
      return { ...style, under: true };
    case 22:
      return { ...style, bold: false, ink: style.ink === "faint" ? null : style.ink };
    case 23:
      return { ...style, italic: false };
    case 24:
      return { ...style, under: false };
    case 27:
      return { ...style, inverse: false };
    case 39:
      return { ...style, ink: null };
    case 49:
      return { ...style, ground: null };
  }
  if (code >= 30 && code <= 37) return { ...style, ink: named(code - 30) };
  if (code >= 90 && code <= 97) return { ...style, ink: named(code - 82) };
  if (code >= 40 && code <= 47) return { ...style, ground: named(code - 40) };
  if (code >= 100 && code <= 107) return { ...style, ground: named(code - 92) };
  return style;
}

/** A colour whose numbers follow as parameters of their own, and how many those are. */
function following(codes: number[][]): [Ink | null, number] {
  const numbers = codes.map(([code]) => code ?? 0);
  const taken = numbers[0] === 5 ? 2 : numbers[0] === 2 ? 4 : 1;
  return [extended(numbers.slice(0, taken), false), taken];
}

function extended([kind, ...numbers]: number[], inOne: boolean): Ink | null {
  if (kind === 5) return indexed(numbers[0] ?? 0);
  if (kind !== 2) return null;
  // In one parameter the colour space may come first.
  const [r = 0, g = 0, b = 0] = inOne && numbers.length > 3 ? numbers.slice(1) : numbers;
  return nearest(r, g, b);
}

/** One of the 16 of old. Black and white are what text is like anyway. */
function named(index: number): Ink | null {
  if (index === 8) return "faint";
  return ([null, "red", "green", "yellow", "blue", "magenta", "cyan", null] as const)[index % 8] ?? null;
}

/** One of 256: those of old, a cube of 6 × 6 × 6, a ramp of greys. */
function indexed(index: number): Ink | null {
  if (index < 16) return named(index);
  if (index >= 232) return grey(8 + (index - 232) * 10);
  const level = (step: number) => (step === 0 ? 0 : 55 + step * 40);
  const cube = index - 16;
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function nearest(r: number, g: number, b: number): Ink | null {
  const [most, least] = [Math.max(r, g, b), Math.min(r, g, b)];
  const range = most - least;
  if (!(range >= 48)) return grey(most);
  const turn = most === r ? (g - b) / range : most === g ? 2 + (b - r) / range : 4 + (r - g) / range;
  return hues[(Math.round(turn) + 6) % 6] ?? null;
}

function grey(level: number): Ink | null {
  return level > 64 && level < 192 ? "faint" : null;
}
