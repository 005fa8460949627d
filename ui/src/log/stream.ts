// A log as it comes over the bridge, a chunk at a time.

import type { LogChunk } from "../bindings";
import type { Lines } from "./lines";

/** The lines that are kept of a log. */
export interface Kept {
  lines: Lines;
  /** How many came before them. */
  before: number;
}

/**
 * Follows a log from its beginning, until what this gives is called. `pull` has the lines from a number on, as soon as there
 * are any; the next ones are asked for only once the last ones were painted, so that a window which nobody sees asks for none.
 * What `pull` rejects with is told, and then nothing follows.
 */
export function follow(
  pull: (from: number) => Promise<LogChunk>,
  painted: () => Promise<unknown>,
  show: (kept: Kept) => void,
  failed: (error: unknown) => void,
): () => void {
  let wanted = true;
  const kept: string[] = [];
  let before = 0;
  const work = async () => {
    while (wanted) {
      const { first, lines } = await pull(before + kept.length);
      if (!wanted) return;
      kept.splice(0, first - before);
      before = first;
      kept.push(...lines);
      show({ lines: { length: kept.length, at: (index) => kept[index] }, before });
      await painted();
    }
  };
  work().catch((error) => wanted && failed(error));
  return () => (wanted = false);
}
