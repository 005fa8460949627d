import { createSubscriber } from "svelte/reactivity";

/** Ticks once a second, and only while something on the page shows it. */
const tick = createSubscriber((update) => {
  const timer = setInterval(update, 1000);
  // A hidden page misses ticks.
  document.addEventListener("visibilitychange", update);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", update);
  };
});

/** The time now in seconds since the epoch. What reads it is kept up to date. */
export function now(): number {
  tick();
  return Math.floor(Date.now() / 1000);
}
