import { join } from "node:path";

const ui = join(import.meta.dirname, "..");

export const root = join(ui, "..");
/** The pages as they are released. In a folder of their own: the app is built anew when its pages are. */
export const built = join(ui, "browser", "built");
/** Where the pictures go. */
export const shots = join(ui, "shots");
