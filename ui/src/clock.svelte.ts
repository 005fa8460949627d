import { createSubscriber } from "svelte/reactivity";

/** Ticks once in so many seconds, and only while something on the page shows it. */
function ticking(seconds: number): () => void {
  return createSubscriber((update) => {
    const timer = setInterval(update, seconds * 1000);
    // A hidden page misses ticks.
    document.addEventListener("visibilitychange", update);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", update);
    };
  });
}

const everySecond = ticking(1);
const everyTenSeconds = ticking(10);

/** The time now in seconds since the epoch. What reads it is kept up to date. */
export function now(): number {
  everySecond();
  return Math.floor(Date.now() / 1000);
}

/** The same for what may be ten seconds late: a page that ticks each second keeps the computer awake. */
export function aboutNow(): number {
  everyTenSeconds();
  return Math.floor(Date.now() / 1000);
}
