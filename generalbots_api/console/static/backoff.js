// How long to wait before something is tried again: exponential, with full jitter.

const FIRST = 500; // milliseconds
const LONGEST = 30_000;

/** Milliseconds after the failed try `attempt` (from 0); what the server asked for comes on top. */
export function delay(attempt, asked = 0) {
  return asked + Math.random() * Math.min(LONGEST, FIRST * 2 ** Math.min(attempt, 10));
}
