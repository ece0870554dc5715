// Requests to the API: one place that reads the error envelope and the quota.

export const base = new URL(".", document.baseURI);

export class ApiError extends Error {
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.details = error.details ?? {};
  }
}

const listeners = new Set();

/** Hear where the quota stands after each answer: {limit, remaining, reset} (Unix seconds). */
export function onQuota(listener) {
  listeners.add(listener);
}

export async function api(method, path, body) {
  let response;
  try {
    response = await fetch(new URL(path, base), {
      method,
      credentials: "same-origin",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, { code: "OFFLINE", message: "The server cannot be reached", details: {} });
  }
  tellQuota(response.headers);
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    throw new ApiError(response.status, answer?.error ?? { code: "SERVER_ERROR", message: `Status ${response.status}` });
  }
  return answer;
}

export function socketUrl(path) {
  const url = new URL(path, base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

function tellQuota(headers) {
  const limit = Number(headers.get("X-RateLimit-Limit"));
  if (limit) {
    const quota = { limit, remaining: Number(headers.get("X-RateLimit-Remaining")), reset: Number(headers.get("X-RateLimit-Reset")) };
    listeners.forEach((listener) => listener(quota));
  }
}
