// Words about what went wrong, and about the quota.

import { onQuota } from "./api.js";

const LOW_QUOTA = 0.2;
const $ = (id) => document.getElementById(id);

export function problem({ message, code, details = {}, retryAfter = 0 }) {
  const wait = retryAfter || details.retry_after_ms || 0;
  $("problem-message").textContent = wait ? `${message}. Try again in ${Math.ceil(wait / 1_000)} s.` : message;
  $("problem-code").textContent = code ?? "";
  const more = Object.keys(details).length ? JSON.stringify(details, null, 2) : "";
  $("problem-details").textContent = more;
  $("problem-more").hidden = more === "";
  $("problem").hidden = false;
}

export function noProblem() {
  $("problem").hidden = true;
}

$("problem-close").addEventListener("click", noProblem);
onQuota(({ limit, remaining, reset }) => {
  const isLow = remaining <= limit * LOW_QUOTA;
  const time = new Date(reset * 1_000).toLocaleTimeString();
  $("quota").textContent = isLow ? `${remaining} of ${limit} requests left until ${time}` : "";
});
