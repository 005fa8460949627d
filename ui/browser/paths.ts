import { join } from "node:path";

const ui = join(import.meta.dirname, "..");

export const root = join(ui, "..");
/** What `npm run build` makes. */
export const dist = join(ui, "dist");
/** Where the pictures go. */
export const shots = join(ui, "shots");
