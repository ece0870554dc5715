// Times and errors as people read them.

/** "13:05", with the day if it is not today. */
export function clock(at) {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { day: "numeric", month: "short" };
  return date.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit" });
}

/** "in 12 s", or "at 13:05" if that is far away. */
export function when(unixMilliseconds) {
  const seconds = Math.max(1, Math.ceil((unixMilliseconds - Date.now()) / 1_000));
  return seconds < 120 ? `in ${seconds} s` : `at ${clock(unixMilliseconds)}`;
}

/** The message of an error, with what is wrong with which field. */
export function reason({ message, details = {} }) {
  const fields = Object.entries(details.fields ?? {}).map(([name, problem]) => `${name} ${problem}`);
  return [message, ...fields].join(": ");
}
