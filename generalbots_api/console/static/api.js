// Requests to the API: one place that reads the error envelope and the quota.

const HOSTS_LOGIN = "api/session"; // tells it where the login is the host's own
export const base = new URL(".", document.baseURI);

export class ApiError extends Error {
  constructor(status, error, retryAfter = 0) {
    super(error.message);
    this.status = status; // 0: there was no answer
    this.code = error.code;
    this.details = error.details ?? {};
    this.retryAfter = retryAfter; // milliseconds that the server asks for
  }

  /** As a frame of `/ws` tells it: with a word on whether, and when, it may work. */
  get asFrameError() {
    const retryable = this.status === 0 || this.status === 429 || this.status >= 500;
    const wait = this.retryAfter > 0 ? { retry_after_ms: this.retryAfter } : {};
    return { code: this.code, message: this.message, details: { ...this.details, retryable, ...wait } };
  }
}

const listeners = new Set();

/** Hear where the quota stands after each answer: {limit, remaining, reset} (Unix seconds). */
export function onQuota(listener) {
  listeners.add(listener);
}

export function tellQuota(quota) {
  listeners.forEach((listener) => listener(quota));
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
    throw new ApiError(0, { code: "OFFLINE", message: "The server cannot be reached" });
  }
  readQuota(response.headers);
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const error = answer?.error ?? { code: "SERVER_ERROR", message: `The server answered with status ${response.status}` };
  throw new ApiError(response.status, error, Number(response.headers.get("Retry-After")) * 1_000);
}

export function conversationPath(id, rest = "") {
  return `api/conversations/${encodeURIComponent(id)}${rest}`;
}

export function socketUrl() {
  const url = new URL("ws", base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

/** Whether the login stands, without prolonging it: [how, wait]; "valid", "ended" (or another user's), or "unknown". */
export async function loginState(userId, path = "auth/validate") {
  try {
    const { valid = true, user_id: found } = await api("GET", path);
    return [valid && found === userId ? "valid" : "ended", 0];
  } catch (error) {
    if (error.status === 404 && path !== HOSTS_LOGIN) return loginState(userId, HOSTS_LOGIN);
    return error.status === 401 ? ["ended", 0] : ["unknown", error.retryAfter];
  }
}

function readQuota(headers) {
  const limit = Number(headers.get("X-RateLimit-Limit"));
  if (!limit) return;
  tellQuota({ limit, remaining: Number(headers.get("X-RateLimit-Remaining")), reset: Number(headers.get("X-RateLimit-Reset")) });
}
