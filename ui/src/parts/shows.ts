/** A list shows this value, and none where it has no such. */
export const shows = (value: string) => (list: HTMLSelectElement) => {
  // It may be open.
  if (list.value !== value) list.value = value;
};
