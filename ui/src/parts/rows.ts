// A table by its keys: up and down from row to row, Enter does what the row is there for.

/** What a row is there for stands last in it. */
const main = (row: Element) => [...row.querySelectorAll("button")].at(-1);

/** In this table the arrow keys go to the next row that has a button, or to the one before. */
export function rowKeys(body: HTMLElement): () => void {
  body.addEventListener("keydown", keys);
  return () => body.removeEventListener("keydown", keys);
}

function keys(event: KeyboardEvent): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  if (!(event.target instanceof HTMLButtonElement)) return;
  const rows = [...(event.target.closest("tbody")?.rows ?? [])].filter(main);
  const at = rows.findIndex((row) => row.contains(event.target as Node));
  const next = rows[at + (event.key === "ArrowDown" ? 1 : -1)];
  event.preventDefault();
  if (next) main(next)?.focus();
}

/** Goes from a search to the first row that was found. */
export function toFirstRow(from: Element): void {
  const rows = [...(from.closest("section")?.querySelectorAll("tbody tr") ?? [])];
  const first = rows.find((row) => from.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING && main(row));
  if (first) main(first)?.focus();
}
